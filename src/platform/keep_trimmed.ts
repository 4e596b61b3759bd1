/**
 * When a running agent gives back the pages of the binary that it needed once: to start, to compile, to plan a rule.
 * @module
 */
import type { Platform, ResidentMemory } from "./platform.ts";

/** The part of the engine's clock and log used here. */
interface Sleeper {
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

interface Log {
  debug(message: string, fields?: Readonly<Record<string, string | number>>): void;
}

/** A look costs a read of `/proc/self/status`, some 20 µs. */
const PAUSE_MS = 1_000;
/** Less than this is not worth the faults that bring back what is still needed. */
const GROWTH_BYTES_MIN = 3 * 1024 * 1024;

/**
 * Looks once a second and trims when the file-backed part of resident memory has grown by more than 3 MiB over what it
 * was a second after the last trim: by then the pages in use are back. So it trims after start-up, follows the warm-up
 * of the first rules, which is when memory would peak, and leaves a steady agent alone.
 *
 * Ends when `signal` aborts, or at once, with a log line, where the platform cannot trim. Never rejects.
 */
export async function keepTrimmed(
  platform: Pick<Platform, "memory" | "trimMemory">,
  clock: Sleeper,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  let settledBytes = 0;
  let hasTrimmed = false;
  while (true) {
    try {
      await clock.sleep(PAUSE_MS, signal);
    } catch {
      return; // Aborted.
    }
    const bytes = fileBytes(platform.memory());
    if (hasTrimmed) {
      settledBytes = bytes;
      hasTrimmed = false;
    } else if (bytes > settledBytes + GROWTH_BYTES_MIN) {
      const result = platform.trimMemory();
      if ("skipped" in result) {
        log.debug("memory was not trimmed", { reason: result.skipped });
        return;
      }
      hasTrimmed = true;
      log.debug("memory was trimmed", { bytes: result.trimmedBytes });
    }
  }
}

function fileBytes({ residentFileBytes, residentBytes }: ResidentMemory): number {
  return residentFileBytes ?? residentBytes;
}
