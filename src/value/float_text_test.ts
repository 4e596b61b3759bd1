import assert from "node:assert/strict";
import { test } from "node:test";
import { floatText } from "./float_text.ts";
import { SeededRandom } from "./seeded_random.ts";

test("floatText() writes no exponent", () => {
  const cases: [number, string][] = [
    [1234567, "1234567"],
    [-0.00001, "-0.00001"],
    [1e21, "1000000000000000000000"],
    [-1.5e22, "-15000000000000000000000"],
    [1.5e-7, "0.00000015"],
    [0, "0"],
    [-0, "-0"],
    [NaN, "NaN"],
    [-Infinity, "-Inf"],
  ];
  for (const [value, text] of cases) assert.equal(floatText(value), text);
});

test("floatText() reads back as the same float", () => {
  for (let seed = 1; seed <= 2000; seed++) {
    const value = new SeededRandom(seed).float();
    const text = floatText(value);
    assert.match(text, /^-?\d+(\.\d+)?$/, `seed ${seed}`);
    assert.ok(Object.is(Number(text), value), `seed ${seed}`);
  }
});
