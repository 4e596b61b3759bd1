import { test } from "node:test";
import assert from "node:assert/strict";
import { RowError } from "../../diagnostics/row_error.ts";
import { DateTime } from "../../value/datetime.ts";
import { Row } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import {
  compare,
  type ComparisonOperator,
  compileBetween,
  compileBetweenNumbers,
  compileComparison,
  compileComparisonWithNumber,
  compileEqualityWithText,
  compileInConstants,
  compileInList,
} from "./comparison.ts";
import type { CompileContext, Evaluator } from "./evaluator.ts";

const context: CompileContext = {
  rule: { ruleId: "r", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0 },
  changingSlots: [],
};
const operators: readonly ComparisonOperator[] = ["=", "!=", "<", "<=", ">", ">="];
const values: readonly Value[] = [
  null,
  undefined,
  0,
  -0,
  1,
  1.5,
  -3,
  NaN,
  Infinity,
  0n,
  1n,
  2n,
  9007199254740993n,
  9007199254740992,
  "",
  "a",
  "b",
  "1",
  true,
  false,
  [],
  {},
  new Uint8Array(1),
  new DateTime(1, "UTC"),
];
const row = new Row({}, 0);

/** The result, or the code of the error. */
function outcome(run: () => Value): Value {
  try {
    return run();
  } catch (error) {
    if (error instanceof RowError) return `! ${error.code}`;
    throw error;
  }
}

test("every quick comparison gives what the general one gives", () => {
  for (const operator of operators) {
    for (const left of values) {
      for (const right of values) {
        const expected = outcome(() => compare(operator, left, right, context));
        const check = (evaluate: Evaluator) =>
          assert.equal(outcome(() => evaluate(row)), expected, `${String(left)} ${operator} ${String(right)}`);
        check(compileComparison(operator, () => left, () => right, context));
        if (typeof right === "number" || typeof right === "bigint") {
          check(compileComparisonWithNumber(operator, () => left, right, context));
        }
        if (typeof right === "string" && (operator === "=" || operator === "!=")) {
          check(compileEqualityWithText(operator, () => left, right, context));
        }
      }
    }
  }
});

test("BETWEEN two numbers gives what it gives for expressions", () => {
  const numbers = values.filter((value) => typeof value === "number" || typeof value === "bigint");
  for (const value of values) {
    for (const low of numbers) {
      for (const high of numbers) {
        for (const negated of [false, true]) {
          const expected = outcome(() => compileBetween(() => value, () => low, () => high, negated, context)(row));
          const actual = outcome(() => compileBetweenNumbers(() => value, low, high, negated, context)(row));
          assert.equal(actual, expected, `${String(value)} between ${low} and ${high}, ${negated}`);
        }
      }
    }
  }
});

test("a list of constants gives what the same list of expressions gives", () => {
  const lists: Value[][] = [
    [1n, 2n],
    [1, 2n, 1.5],
    [9007199254740993n],
    ["a", "b"],
    ["a", 1n],
    [true],
    [0],
    Array.from({ length: 100 }, (_, i) => BigInt(i)),
  ];
  for (const list of lists) {
    for (const negated of [false, true]) {
      for (const value of values) {
        const expected = outcome(() =>
          compileInList(() => value, list.map((element) => () => element), negated, context)(row)
        );
        const actual = outcome(() => compileInConstants(() => value, list, negated, context)(row));
        assert.equal(actual, expected, `${String(value)} in ${String(list)}`);
      }
    }
  }
});

test("ints beyond 2^53 are told apart", () => {
  const big = 9007199254740993n;
  assert.equal(compileComparisonWithNumber("=", () => big - 1n, big, context)(row), false);
  assert.equal(compileComparisonWithNumber("=", () => big, big, context)(row), true);
  assert.equal(compileInConstants(() => big - 1n, [big], false, context)(row), false);
});

test("a datetime on the left takes Unix milliseconds and texts, and no boolean", () => {
  const time = new DateTime(2000, "UTC");
  assert.equal(compare("=", time, 2000, context), true);
  assert.equal(compare("<", time, 3000n, context), true);
  assert.equal(compare("=", time, "1970-01-01 00:00:02", context), true);
  assert.equal(outcome(() => compare("=", time, "soon", context)), "! E502");
  assert.equal(outcome(() => compare("=", time, true, context)), "! E502");
  assert.equal(outcome(() => compare("=", 2000, time, context)), "! E502");
});
