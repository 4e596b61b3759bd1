import assert from "node:assert/strict";
import { test } from "node:test";
import { keepTrimmed } from "./keep_trimmed.ts";
import type { TrimResult } from "./platform.ts";

const MIB = 1024 * 1024;

/**
 * Shows file-backed memory of so many MiB, one reading a look; returns the pauses before the
 * looks and the numbers of those that led to a trim.
 */
async function play(
  readingsMiB: number[],
  result: TrimResult,
): Promise<{ pausesMs: number[]; trims: number[]; log: string[] }> {
  const stop = new AbortController();
  const pausesMs: number[] = [];
  const trims: number[] = [];
  const log: string[] = [];
  let reading = -1;
  await keepTrimmed(
    {
      memory: () => {
        const bytes = readingsMiB[reading]! * MIB;
        // Growth of the heap alone is no reason to trim.
        return { residentBytes: bytes + reading * 10 * MIB, residentPeakBytes: 0, residentFileBytes: bytes };
      },
      trimMemory: () => {
        trims.push(reading);
        return result;
      },
    },
    {
      sleep: (ms, signal) => {
        pausesMs.push(ms);
        if (++reading === readingsMiB.length) stop.abort();
        return signal?.aborted ? Promise.reject(signal.reason) : Promise.resolve();
      },
    },
    { debug: (message) => log.push(message) },
    stop.signal,
  );
  return { pausesMs, trims, log };
}

test("keepTrimmed() trims after start-up, and then while memory is above the least it has found", async () => {
  const { pausesMs, trims, log } = await play([35, 15, 16, 18, 19, 24, 17], { trimmedBytes: 1 });
  assert.deepEqual(pausesMs, [1_000, 2_000, 4_000, 8_000, 8_000, 8_000, 8_000, 8_000]);
  assert.deepEqual(trims, [0, 4, 5]);
  assert.deepEqual(log, Array(3).fill("memory was trimmed"));
});

test("keepTrimmed() ends with one line where trimming is impossible", async () => {
  const { pausesMs, log } = await play([40, 40, 40], { skipped: "not Linux" });
  assert.deepEqual(pausesMs, [1_000]);
  assert.deepEqual(log, ["memory was not trimmed"]);
});
