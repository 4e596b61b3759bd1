import assert from "node:assert/strict";
import { test } from "node:test";
import { DateTime } from "./datetime.ts";
import { valuesEqual } from "./equal.ts";
import type { Value } from "./value.ts";

test("valuesEqual() is deep and strict about types", () => {
  const cases: [Value, Value, boolean][] = [
    [1, 1, true],
    [1, 1n, false],
    ["1", 1, false],
    [null, undefined, true],
    [null, false, false],
    [null, {}, false],
    [NaN, NaN, false],
    [[1, [2n]], [1, [2n]], true],
    [[1], [1, null], false],
    [{ a: 1, b: { c: "x" } }, { b: { c: "x" }, a: 1 }, true],
    [{ a: null }, {}, false],
    [{ a: undefined }, {}, true],
    [{}, { a: 1 }, false],
    [{}, [], false],
    [new Uint8Array([1, 2]), new Uint8Array([1, 2]), true],
    [new Uint8Array([1, 2]), [1, 2], false],
    [new DateTime(1, "UTC"), new DateTime(1, "UTC"), true],
    [new DateTime(1, "UTC"), new DateTime(1, "Local"), false],
    [new DateTime(1, "UTC"), { ms: 1, zone: "UTC" }, false],
    [{ constructor: 1 }, {}, false],
  ];
  for (const [i, [a, b, equal]] of cases.entries()) {
    assert.equal(valuesEqual(a, b), equal, `case ${i}`);
    assert.equal(valuesEqual(b, a), equal, `case ${i} turned round`);
  }
});
