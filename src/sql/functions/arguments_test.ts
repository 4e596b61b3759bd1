import assert from "node:assert/strict";
import { test } from "node:test";
import type { Code } from "../../diagnostics/codes.ts";
import { DateTime } from "../../value/datetime.ts";
import type { Value } from "../../value/value.ts";
import { argumentReader, checkLiteral, isNullLike } from "./arguments.ts";
import type { Param, ParamType } from "./declare.ts";

const context = { timezone: "UTC", now: Date.UTC(2026, 0, 2) };

const accepted: readonly [type: ParamType, value: Value, arrives: unknown][] = [
  ["number", 5n, 5n],
  ["number", 5.5, 5.5],
  ["float", 5n, 5],
  ["int", 5, 5n],
  ["int", -5n, -5n],
  ["index", 5n, 5],
  ["index", 5, 5],
  ["text", 2500000, "2.5e+06"],
  ["text", [1n, 2n], "[1 2]"],
  ["string", "a", "a"],
  ["boolean", false, false],
  ["array", [], []],
  ["struct", { a: 1n }, { a: 1n }],
  ["time", 1500.9, new DateTime(1500, "UTC")],
  ["time", 1500n, new DateTime(1500, "UTC")],
  ["time", "1970-01-01T00:00:01Z", new DateTime(1000, "UTC")],
  ["number", null, null],
  ["text", undefined, null],
];

for (const [type, value, arrives] of accepted) {
  test(`a ${type} parameter takes ${typeof value} ${String(value)}`, () => {
    assert.deepEqual(argumentReader({ name: "x", type }, "f", 1, context)!(value), arrives);
  });
}

const refused: readonly [type: ParamType, value: Value][] = [
  ["number", "5"],
  ["number", true],
  ["float", "5"],
  ["int", 5.5],
  ["int", 1e19],
  ["int", NaN],
  ["index", 2n ** 53n],
  ["index", 0.5],
  ["string", 5n],
  ["boolean", 1n],
  ["array", { a: 1n }],
  ["struct", [1n]],
  ["struct", new DateTime(0)],
  ["time", "yesterday"],
  ["time", true],
  ["time", 1e300],
];

for (const [type, value] of refused) {
  test(`a ${type} parameter refuses ${typeof value} ${String(value)}`, () => {
    assert.throws(() => argumentReader({ name: "x", type }, "f", 1, context)!(value), { code: "E506" });
  });
}

test("the message of a refusal names function, argument, expectation and value", () => {
  const read = argumentReader({ name: "x", type: "number" }, "abs", 1, context)!;
  assert.throws(() => read("a"), { message: 'abs() argument 1 "x": expected a number, found string "a"' });
});

test("any needs no conversion", () => {
  assert.equal(argumentReader({ name: "x", type: "any" }, "f", 1, context), undefined);
});

test("isNullLike() holds for null, undefined, and empty arrays and maps", () => {
  for (const value of [null, undefined, [], {}]) assert.ok(isNullLike(value));
  for (const value of [0n, 0, "", false, [null], { a: null }, new Uint8Array(), new DateTime(0)]) {
    assert.ok(!isNullLike(value));
  }
});

type Literal = bigint | number | string | boolean;
const number: Param = { name: "x", type: "number" };
const literals: readonly [param: Param, value: Literal, code: Code | undefined][] = [
  [number, 5n, undefined],
  [number, 5.5, undefined],
  [number, "5", "E205"],
  [number, true, "E205"],
  [{ name: "x", type: "string" }, 5n, "E205"],
  [{ name: "x", type: "text" }, 5n, undefined],
  [{ name: "x", type: "text", stringLiteral: true }, 5n, "E205"],
  [{ name: "x", type: "int" }, 5.0, "E205"],
  [{ name: "x", type: "index", least: 0 }, -1n, "E214"],
  [{ name: "x", type: "index", least: 0 }, 0n, undefined],
  [{ name: "x", type: "boolean" }, "true", "E205"],
  [{ name: "x", type: "array" }, "a", "E205"],
  [{ name: "x", type: "time" }, "2026-01-02", undefined],
  [{ name: "x", type: "time" }, "2-29", undefined],
  [{ name: "x", type: "time" }, "soon", "E205"],
  [{ name: "x", type: "time" }, 5n, "E205"],
  [{ name: "x", type: "string", oneOf: ["a", "b"] }, "B", "E214"],
  [{ name: "x", type: "string", oneOf: ["a", "b"] }, "c", "E214"],
  [{ name: "x", type: "any" }, "c", undefined],
];

for (const [param, value, code] of literals) {
  test(`the literal ${String(value)} for ${JSON.stringify(param)} is ${code ?? "fine"}`, () => {
    assert.equal(checkLiteral(param, "f", 1, value)?.code, code);
  });
}
