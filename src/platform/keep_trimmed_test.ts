import assert from "node:assert/strict";
import { test } from "node:test";
import { keepTrimmed } from "./keep_trimmed.ts";
import type { TrimResult } from "./platform.ts";

const MIB = 1024 * 1024;

/** Plays `residentMiB`, one reading a pause, and records what happens; a trim brings memory down to 20 MiB. */
async function play(residentMiB: number[], trim: () => TrimResult): Promise<{ pausesMs: number[]; log: string[] }> {
  const stop = new AbortController();
  const pausesMs: number[] = [];
  const log: string[] = [];
  let residentBytes = 0;
  await keepTrimmed(
    {
      memory: () => ({ residentBytes, residentPeakBytes: residentBytes }),
      trimMemory: () => {
        residentBytes = 20 * MIB;
        return trim();
      },
    },
    {
      sleep: (ms, signal) => {
        const next = residentMiB.shift();
        if (next === undefined) stop.abort();
        else {
          pausesMs.push(ms);
          residentBytes = next * MIB;
        }
        return signal?.aborted ? Promise.reject(signal.reason) : Promise.resolve();
      },
    },
    { info: (message) => log.push(message) },
    stop.signal,
  );
  return { pausesMs, log };
}

test("keepTrimmed() trims at the start, after warm-up, and later only when memory grew", async () => {
  const { pausesMs, log } = await play([40, 35, 22, 23, 25, 21], () => ({ trimmedBytes: 1 }));
  assert.deepEqual(pausesMs, [1_000, 10_000, 60_000, 60_000, 60_000, 60_000]);
  assert.deepEqual(log, ["memory trimmed", "memory trimmed", "memory trimmed"]);
});

test("keepTrimmed() ends with one line where trimming is impossible", async () => {
  const { pausesMs, log } = await play([40, 40], () => ({ skipped: "not Linux" }));
  assert.deepEqual(pausesMs, [1_000]);
  assert.deepEqual(log, ["memory trim skipped"]);
});
