import { test } from "node:test";
import assert from "node:assert/strict";
import { RowError } from "../../diagnostics/row_error.ts";
import { NodeMetrics } from "../../telemetry/node_metrics.ts";
import { Row } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import type { OperatorContext } from "../operator.ts";
import { chainOf, planOf } from "../statement_fixture.ts";
import { compileWindowCondition } from "./condition.ts";

function conditionOf(text: string) {
  const plan = planOf(`SELECT * FROM demo GROUP BY SLIDINGWINDOW(ss, 1) OVER (WHEN ${text})`);
  const window = chainOf(plan).find((node) => node.kind === "window")!;
  const told: string[] = [];
  const context: OperatorContext = {
    rule: { ruleId: "r", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0 },
    changingSlots: [],
    metrics: new NodeMetrics(),
    fail: (error) => assert.fail(String(error)),
    drop: () => assert.fail("nothing is dropped"),
    tell: (error) => {
      assert.ok(error instanceof RowError);
      told.push(error.code);
    },
  };
  const holds = compileWindowCondition(window.spec.triggerWhen!, context);
  return { told, ask: (a: Value) => holds(new Row({ a }, 0)) };
}

test("compileWindowCondition() holds for true alone; what fails or is no boolean is told, null is not", () => {
  const { ask, told } = conditionOf("a");
  assert.deepEqual([true, false, null, undefined].map(ask), [true, false, false, false]);
  assert.deepEqual(told, []);
  assert.deepEqual([1, "true"].map(ask), [false, false]);
  assert.deepEqual(told, ["E504", "E504"]);
  const dividing = conditionOf("10 / a > 1");
  assert.deepEqual([5, 0].map(dividing.ask), [true, false]);
  assert.deepEqual(dividing.told, ["E503"]);
});
