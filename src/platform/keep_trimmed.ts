/**
 * When a running agent gives back the memory that only its start needed.
 * @module
 */
import type { Platform } from "./platform.ts";

/** The part of the engine's clock and log used here. */
interface Sleeper {
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

interface Log {
  info(message: string, fields?: Readonly<Record<string, string | number>>): void;
}

/** Pauses before the first trims: right after start-up, then when the first rules have run. */
const FIRST_PAUSES_MS = [1_000, 10_000];
const PAUSE_MS = 60_000;
/** A trim must promise this much, or the pages would only go and come back. */
const GROWTH_BYTES_MIN = 4 * 1024 * 1024;

/**
 * Trims after start-up, after warm-up, and then once a minute if resident memory grew by more than 4 MiB since.
 * Ends when `signal` aborts, or at once, with a log line, where the platform cannot trim. Never rejects.
 */
export async function keepTrimmed(
  platform: Pick<Platform, "memory" | "trimMemory">,
  clock: Sleeper,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const pauses = FIRST_PAUSES_MS.values();
  let floorBytes = 0;
  while (true) {
    try {
      await clock.sleep(pauses.next().value ?? PAUSE_MS, signal);
    } catch {
      return; // Aborted.
    }
    if (platform.memory().residentBytes < floorBytes + GROWTH_BYTES_MIN) continue;
    const result = platform.trimMemory();
    if ("skipped" in result) {
      log.info("memory trim skipped", { reason: result.skipped });
      return;
    }
    floorBytes = platform.memory().residentBytes;
    log.info("memory trimmed", { trimmed_bytes: result.trimmedBytes, resident_bytes: floorBytes });
  }
}
