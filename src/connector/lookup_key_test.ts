import assert from "node:assert/strict";
import { test } from "node:test";
import { DateTime } from "../value/datetime.ts";
import type { Value } from "../value/value.ts";
import { lookupKey } from "./lookup_key.ts";

test("lookupKey() is the same exactly for what `=` calls equal", () => {
  const classes: readonly (readonly Value[])[] = [
    [1n, 1, 1.0],
    [0n, 0, -0],
    [1.5],
    [2 ** 53, 2n ** 53n],
    [2n ** 53n + 1n],
    [1e300, BigInt(1e300)],
    [Infinity],
    [-Infinity],
    ["1"],
    [""],
    ["true"],
    [true],
    [false],
    [new DateTime(5, "UTC"), new DateTime(5, "Local"), 5n],
  ];
  const all = classes.flatMap((values, index) => values.map((value) => ({ value, index })));
  for (const a of all) {
    for (const b of all) {
      const same = a.index === b.index;
      const shown = `${String(a.value)} and ${String(b.value)}`;
      assert.equal(lookupKey([a.value]) === lookupKey([b.value]), same, shown);
      assert.equal(lookupKey([a.value, "x"]) === lookupKey([b.value, "x"]), same, shown);
      assert.equal(lookupKey(["x", a.value]) === lookupKey(["x", b.value]), same, shown);
    }
  }
});

test("lookupKey() keeps several values apart", () => {
  const lists: readonly (readonly Value[])[] = [["a", "bc"], ["ab", "c"], ["", "abc"], ["a", "b", "c"], ["1:a", "b"]];
  const keys = lists.map((list) => lookupKey(list));
  assert.equal(new Set(keys).size, lists.length);
});

test("lookupKey() is undefined for what equals nothing", () => {
  for (const value of [null, undefined, NaN, [1], { a: 1 }, new Uint8Array()] as readonly Value[]) {
    assert.equal(lookupKey([value]), undefined);
    assert.equal(lookupKey(["a", value]), undefined);
  }
});
