import assert from "node:assert/strict";
import { test } from "node:test";
import { compareByteOrder } from "./byte_order.ts";
import { SeededRandom } from "./seeded_random.ts";

test("compareByteOrder() puts characters outside the basic plane last", () => {
  assert.deepEqual(["\u{1f600}", "\uffee", "z", "", "za"].sort(compareByteOrder), [
    "",
    "z",
    "za",
    "\uffee",
    "\u{1f600}",
  ]);
});

test("compareByteOrder() agrees with the bytes of UTF-8", () => {
  const encoder = new TextEncoder();
  for (let seed = 1; seed <= 2000; seed++) {
    const random = new SeededRandom(seed);
    // Lone surrogates have no UTF-8 form to compare with.
    const [a, b] = [random.text().toWellFormed(), random.text().toWellFormed()];
    const [left, right] = [encoder.encode(a), encoder.encode(b)];
    const i = left.findIndex((byte, at) => byte !== right[at]);
    const expected = i === -1 ? left.length - right.length : left[i]! - (right[i] ?? -1);
    assert.equal(Math.sign(compareByteOrder(a, b)), Math.sign(expected), `seed ${seed}`);
    assert.equal(Math.sign(compareByteOrder(b, a)), -Math.sign(expected) + 0, `seed ${seed}`);
  }
});
