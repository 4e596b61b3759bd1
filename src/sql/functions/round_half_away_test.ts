/**
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../../value/seeded_random.ts";
import { roundHalfAway } from "./round_half_away.ts";

/** By the decimal text of `x` alone, digit by digit. */
function slowly(x: number, digits: number): number {
  const [whole, fraction = ""] = Math.abs(x).toFixed(20).replace(/0+$/, "").split(".") as [string, string?];
  const shortest = /e/.test(String(Math.abs(x))) ? `${whole}.${fraction}` : String(Math.abs(x));
  const [w, f = ""] = shortest.split(".") as [string, string?];
  const kept = BigInt(w + f.slice(0, digits).padEnd(digits, "0")) + (f.charAt(digits) >= "5" ? 1n : 0n);
  const size = Number(`${kept}e${-digits}`);
  return x < 0 ? -size : size;
}

test("roundHalfAway() rounds the decimal text of a number", () => {
  const random = new SeededRandom(11);
  for (let i = 0; i < 20_000; i++) {
    const digits = random.below(7);
    const decimals = random.below(9);
    // Many of them end with a 5 right behind the last digit that is kept.
    const units = random.below(3) === 0 ? random.below(10_000) * 10 + 5 : random.below(1_000_000_000);
    const x = Number(`${random.below(2) === 0 ? "-" : ""}${units}e${-decimals}`);
    if (/e/.test(String(x))) continue;
    assert.equal(roundHalfAway(x, digits), slowly(x, digits), `round(${x}, ${digits})`);
  }
});

test("roundHalfAway() at the ends", () => {
  const cases: [x: number, digits: number, wanted: number][] = [
    [1.005, 2, 1.01],
    [-1.005, 2, -1.01],
    [0.5, 0, 1],
    [0.49999999999999994, 0, 0],
    [4503599627370497.5, 0, 4503599627370498],
    [4503599627370495.5, 0, 4503599627370496],
    [9007199254740993, 0, 9007199254740992],
    [1e300, 2, 1e300],
    [1e-7, 7, 1e-7],
    [5e-324, 3, 0],
    [1250, -2, 1300],
    [123.456, 22, 123.456],
    [123.456, 400, 123.456],
    [-0.2, 0, -0],
    [0, 2, 0],
    [-0, 2, 0],
  ];
  for (const [x, digits, wanted] of cases) {
    assert.ok(Object.is(roundHalfAway(x, digits), wanted), `round(${x}, ${digits}) is ${roundHalfAway(x, digits)}`);
  }
});
