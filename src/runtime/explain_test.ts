import { test } from "node:test";
import assert from "node:assert/strict";
import { explainPlan } from "./explain.ts";
import { planOf } from "./statement_fixture.ts";

test("explainPlan() shows of WHERE what each step judges, though it stands apart in the text", () => {
  const sql = "SELECT demo.a FROM demo LEFT JOIN timed ON demo.id = timed.id " +
    "WHERE timed.x > 3 AND demo.y > timed.x AND timed.z > 1 GROUP BY TUMBLINGWINDOW(mi, 1)";
  const infos = explainPlan(planOf(sql), sql).split("\n").map((line) =>
    JSON.parse(line) as { op: string; info: string }
  );
  assert.deepEqual(infos.filter(({ op }) => op.startsWith("Filter")).map(({ info }) => info), [
    "Condition:{ demo.y > timed.x }",
    "Condition:{ timed.x > 3 AND timed.z > 1 }",
  ]);
});
