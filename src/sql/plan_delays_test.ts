import assert from "node:assert/strict";
import { test } from "node:test";
import { kindsOf, planOf } from "../runtime/statement_fixture.ts";
import type { Plan } from "./plan.ts";

const cases: readonly [sql: string, kinds: string][] = [
  ["SELECT delay(5, a) AS x FROM demo", "delay > project"],
  ["SELECT a FROM demo WHERE delay(5, a) > 1", "delay > filter > project"],
  ["SELECT delay(5, a) AS x FROM demo WHERE x > 1", "delay > filter > project"],
  ["SELECT delay(5, a) AS x, delay(5, b) AS y FROM demo WHERE x > 1", "delay > filter > delay > project"],
  [
    "SELECT count(*) AS n FROM demo WHERE delay(5, a) > 1 GROUP BY TUMBLINGWINDOW(ss, 1)",
    "delay > filter > windowed_aggregate > project",
  ],
  [
    "SELECT count(*) AS n FROM demo WHERE delay(5, a) > 1 GROUP BY SLIDINGWINDOW(ss, 1)",
    "window > delay > filter > aggregate > project",
  ],
  [
    "SELECT count(*) AS n FROM demo GROUP BY TUMBLINGWINDOW(ss, 1) HAVING delay(5, count(*)) > 1",
    "windowed_aggregate > delay > having > project",
  ],
  [
    "SELECT delay(5, a) AS x, row_number() AS n FROM demo GROUP BY TUMBLINGWINDOW(ss, 1) ORDER BY a",
    "window > row_number > order > delay > project",
  ],
  [
    "SELECT delay(5, a) AS x, dedup_trigger(s, e, t, 1) AS d FROM demo WHERE a > 1",
    "filter > dedup_trigger > delay > project",
  ],
];

for (const [sql, kinds] of cases) {
  test(`the steps of ${sql}`, () => assert.equal(kindsOf(planOf(sql)), kinds));
}

test("the calls of one clause wait together", () => {
  const { root } = planOf(
    "SELECT delay(1, a) AS x, abs(delay(2, b)) AS y, delay(3, delay(4, c)) AS z, x + 1 AS w FROM demo",
  );
  const { input } = root as Extract<Plan, { kind: "project" }>;
  assert.equal(input.kind, "delay");
  assert.equal((input as Extract<Plan, { kind: "delay" }>).calls.length, 4);
});
