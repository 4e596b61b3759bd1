import { test } from "node:test";
import assert from "node:assert/strict";
import { RowError } from "../../diagnostics/row_error.ts";
import { planOf } from "../../runtime/statement_fixture.ts";
import { Row } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import type { BoundLogical } from "../bound.ts";
import { compileExpression } from "./compile.ts";
import type { CompileContext } from "./evaluator.ts";
import { compileLogical } from "./logic.ts";
import { mergeEqualities } from "./merge_equalities.ts";

const context: CompileContext = {
  rule: { ruleId: "r", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0 },
  changingSlots: [],
};

function chain(condition: string): BoundLogical {
  const { root } = planOf(`SELECT a FROM demo WHERE ${condition}`);
  assert.ok(root.kind === "project" && root.input.kind === "filter" && root.input.condition.kind === "logical");
  return root.input.condition;
}

const cases: readonly [condition: string, kinds: string[]][] = [
  ["a = 1 OR a = 2 OR a = 3 OR a = 4", ["in"]],
  ["a = 1 OR a = 2 OR a = 3", ["binary", "binary", "binary"]],
  ["b > 1 OR a = 1 OR a = 2 OR a = 3 OR a = 4 OR c = 1", ["binary", "in", "binary"]],
  ["a = 'x' OR a = 'y' OR a = 'z' OR a = 'w' OR b = 1 OR b = 2 OR b = 3 OR b = 4", ["in", "in"]],
  ["a != 1 AND a != 2 AND a != 3 AND a != 4", ["in"]],
  ["a != 1 OR a != 2 OR a != 3 OR a != 4", ["binary", "binary", "binary", "binary"]],
  ["a = b OR a = 2 OR a = 3 OR a = 4 OR a + 1 = 5", ["binary", "binary", "binary", "binary", "binary"]],
];

for (const [condition, kinds] of cases) {
  test(`${condition} becomes ${kinds.join(", ")}`, () => {
    assert.deepEqual(mergeEqualities(chain(condition)).map((operand) => operand.kind), kinds);
  });
}

test("a merged chain gives what the chain gives", () => {
  const outcome = (run: () => Value): Value => {
    try {
      return run();
    } catch (error) {
      if (error instanceof RowError) return `! ${error.code}`;
      throw error;
    }
  };
  const conditions = [
    "a = 1 OR a = 2.5 OR a = 3 OR a = 4 OR b",
    "a = 'x' OR a = 'y' OR a = 'z' OR a = 'w'",
    "a = 'x' OR a = 1 OR a = 'z' OR a = 2",
    "a != 1 AND a != 2 AND a != 3 AND a != 4 AND b",
    "b AND a != 'x' AND a != 'y' AND a != 'z' AND a != 'w'",
  ];
  const values: Value[] = [null, undefined, 1, 2.5, 7, 1n, 7n, 9007199254740993n, "x", "q", true, [], {}];
  for (const condition of conditions) {
    const bound = chain(condition);
    const plain = compileLogical(bound.operator, bound.operands.map((operand) => compileExpression(operand, context)));
    const merged = compileExpression(bound, context);
    for (const a of values) {
      for (const b of [true, false, null, 5]) {
        const row = () => new Row({ a, b }, 0);
        const what = `${condition} on ${String(a)}, ${b}`;
        assert.equal(outcome(() => merged(row())), outcome(() => plain(row())), what);
      }
    }
  }
});
