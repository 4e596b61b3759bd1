import assert from "node:assert/strict";
import { test } from "node:test";
import { formatGoDuration, parseGoDuration } from "./go_duration.ts";
import { SeededRandom } from "./seeded_random.ts";

test("parseGoDuration() gives milliseconds", () => {
  const cases: [string, number | undefined][] = [
    ["1h30m", 5_400_000],
    ["500ms", 500],
    ["1.5s", 1500],
    [".5s", 500],
    ["-2m", -120_000],
    ["+1µs", 0.001],
    ["1us", 0.001],
    ["0", 0],
    ["10", undefined],
    ["", undefined],
    ["-", undefined],
    ["s", undefined],
    ["1s ", undefined],
    ["1d", undefined],
  ];
  for (const [text, ms] of cases) assert.equal(parseGoDuration(text), ms, text);
});

test("formatGoDuration() prints like Go", () => {
  const cases: [number, string][] = [
    [5_400_000, "1h30m0s"],
    [61_500, "1m1.5s"],
    [500, "500ms"],
    [1.5, "1.5ms"],
    [0.0015, "1.5µs"],
    [0, "0s"],
    [-1000, "-1s"],
  ];
  for (const [ms, text] of cases) assert.equal(formatGoDuration(ms), text);
});

test("parseGoDuration() reads what formatGoDuration() prints", () => {
  for (let seed = 1; seed <= 500; seed++) {
    const ms = new SeededRandom(seed).uint32();
    assert.equal(parseGoDuration(formatGoDuration(ms)), ms, `seed ${seed}`);
  }
});
