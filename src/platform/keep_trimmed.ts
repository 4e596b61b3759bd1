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

/** Pauses between looks: close together while the first rules warm up, when memory would peak, then all the same. */
const FIRST_PAUSES_MS = [1_000, 2_000, 4_000];
const PAUSE_MS = 8_000;
/** Less than this is not worth the faults that bring back what is still needed. */
const GROWTH_BYTES_MIN = 3 * 1024 * 1024;

/**
 * Trims after a second, and then at each look that finds the file-backed part of resident memory more than 3 MiB above
 * the least found so far. An idle agent is left alone. A busy one is trimmed at every look, as its engine goes on
 * touching pages that it needs once; measured at 10,000 messages a second, even a trim every second cost 3 % of the
 * processor time and a millisecond of the 99th percentile, for 13 MB less.
 *
 * Ends when `signal` aborts, or at once, with a log line, where the platform cannot trim. Never rejects.
 */
export async function keepTrimmed(
  platform: Pick<Platform, "memory" | "trimMemory">,
  clock: Sleeper,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const pauses = FIRST_PAUSES_MS.values();
  let leastBytes: number | undefined;
  while (true) {
    try {
      await clock.sleep(pauses.next().value ?? PAUSE_MS, signal);
    } catch {
      return; // Aborted.
    }
    const bytes = fileBytes(platform.memory());
    if (leastBytes !== undefined) leastBytes = Math.min(leastBytes, bytes);
    if (leastBytes !== undefined && bytes <= leastBytes + GROWTH_BYTES_MIN) continue;
    const result = platform.trimMemory();
    if ("skipped" in result) {
      log.debug("memory was not trimmed", { reason: result.skipped });
      return;
    }
    // The pages in use come back within moments, so the first trim's floor is what the next look finds.
    leastBytes ??= Infinity;
    log.debug("memory was trimmed", { bytes: result.trimmedBytes });
  }
}

function fileBytes({ residentFileBytes, residentBytes }: ResidentMemory): number {
  return residentFileBytes ?? residentBytes;
}
