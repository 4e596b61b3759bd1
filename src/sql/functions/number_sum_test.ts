import { test } from "node:test";
import assert from "node:assert/strict";
import { SeededRandom } from "../../value/seeded_random.ts";
import type { Value } from "../../value/value.ts";
import { exactSum } from "../../../tests/fuzz/exact_sum.ts";
import { addToSum, emptySum, mergeSums, type NumberSum, sumValue } from "./number_sum.ts";

function sumOf(values: readonly Value[]): NumberSum {
  const sum = emptySum();
  for (const value of values) addToSum(sum, value, "sum");
  return sum;
}

const cases: readonly [values: Value[], sum: Value][] = [
  [[], null],
  [[null, undefined], null],
  [[0.1, 0.2, 0.3], 0.6],
  [[1e16, 1, -1e16], 1],
  [[1, 1e100, 1, -1e100], 2],
  [[-0, -0], 0],
  [[1n, 2n], 3n],
  [[1n, 0.5, 2n], 3.5],
  [[2n ** 63n - 1n, 1n], -(2n ** 63n)],
  // Ints beside floats do not wrap, and keep the bits that a float has no room for.
  [[2n ** 63n - 1n, 1n, 0.5], 2 ** 63],
  [[2n ** 53n + 1n, -(2 ** 53)], 1],
  [[Infinity, 1], Infinity],
  [[1, -Infinity, 2], -Infinity],
  [[Infinity, -Infinity], NaN],
  [[NaN, 1], NaN],
  [[Number.MAX_VALUE, Number.MAX_VALUE], Infinity],
];

for (const [values, sum] of cases) {
  test(`the sum of ${values.map(String).join(", ") || "nothing"} is ${sum}, from either end`, () => {
    assert.deepEqual(sumValue(sumOf(values)), sum);
    assert.deepEqual(sumValue(sumOf(values.toReversed())), sum);
  });
}

test("a sum of floats is the float nearest to the true sum, in whatever order and parts it is taken", () => {
  const random = new SeededRandom(11);
  for (let run = 0; run < 2000; run++) {
    const wild = random.below(2) === 0;
    const values = Array.from({ length: random.below(30) + 1 }, () => {
      const value = random.float();
      if (!wild) return Math.round((value % 1000) * 10) / 10;
      return Math.abs(value) < 2 ** 1000 ? value : value * 2 ** -100;
    });
    const expected = exactSum(values);
    const what = values.join(" + ");
    assert.equal(sumValue(sumOf(values)), expected, what);
    assert.equal(sumValue(sumOf(values.toSorted((a, b) => a - b))), expected, what);
    const cut = random.below(values.length + 1);
    const left = sumOf(values.slice(0, cut));
    const right = sumOf(values.slice(cut));
    const before = structuredClone([left, right]);
    assert.equal(sumValue(mergeSums(left, right)), expected, what);
    assert.deepEqual([left, right], before);
  }
});
