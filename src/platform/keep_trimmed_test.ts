import assert from "node:assert/strict";
import { test } from "node:test";
import { keepTrimmed } from "./keep_trimmed.ts";
import type { TrimResult } from "./platform.ts";

const MIB = 1024 * 1024;

/** Shows file-backed memory of so many MiB, one reading a second; returns the numbers of the readings that led to a trim. */
async function play(readingsMiB: number[], result: TrimResult): Promise<{ trims: number[]; log: string[] }> {
  const stop = new AbortController();
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
        assert.equal(ms, 1_000);
        if (++reading === readingsMiB.length) stop.abort();
        return signal?.aborted ? Promise.reject(signal.reason) : Promise.resolve();
      },
    },
    { debug: (message) => log.push(message) },
    stop.signal,
  );
  return { trims, log };
}

test("keepTrimmed() trims after start-up and then when more than the pages in use came back", async () => {
  const { trims, log } = await play([35, 15, 16, 18, 19, 14, 16, 17, 17], { trimmedBytes: 1 });
  assert.deepEqual(trims, [0, 4]);
  assert.deepEqual(log, ["memory was trimmed", "memory was trimmed"]);
});

test("keepTrimmed() ends with one line where trimming is impossible", async () => {
  const { trims, log } = await play([40, 40, 40], { skipped: "not Linux" });
  assert.deepEqual(trims, [0]);
  assert.deepEqual(log, ["memory was not trimmed"]);
});
