import { test } from "node:test";
import assert from "node:assert/strict";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { chainOf, kindsOf, planOf } from "../runtime/statement_fixture.ts";
import { type PlanOptions, sourcesOf } from "./plan.ts";

const window = "TUMBLINGWINDOW(ss, 1)";
const eventTime: Partial<PlanOptions> = { isEventTime: true };

const cases: readonly [sql: string, kinds: string, options?: Partial<PlanOptions>][] = [
  ["SELECT a FROM demo", "project"],
  ["SELECT a FROM demo WHERE a > 1", "filter > project"],
  ["SELECT count(*) FROM demo WHERE a > 1", "filter > aggregate > project"],
  ["SELECT a FROM demo ORDER BY a", "project"],
  ["SELECT lag(a) FROM demo WHERE a > 1", "analytic > filter > project"],
  [`SELECT a FROM demo WHERE a > 1 GROUP BY ${window}`, "filter > window > project"],
  [`SELECT a FROM demo GROUP BY ${window} FILTER (WHERE a > 1)`, "filter > window > project"],
  [
    `SELECT lag(a) FROM demo WHERE a > 1 GROUP BY ${window} FILTER (WHERE b > 1)`,
    "analytic > filter > filter > window > project",
  ],
  [`SELECT a FROM timed WHERE a > 1 GROUP BY ${window}`, "watermark > window > filter > project", eventTime],
  [`SELECT count(*) FROM timed WHERE a > 1 GROUP BY ${window}`, "watermark > windowed_aggregate > project", eventTime],
  [`SELECT count(*) FROM demo WHERE a > 1 GROUP BY k, ${window}`, "filter > windowed_aggregate > project"],
  [`SELECT count(*) FROM demo GROUP BY ${window} HAVING count(*) > 1`, "windowed_aggregate > having > project"],
  [
    `SELECT count(*) FROM demo GROUP BY k, ${window} HAVING count(*) > 1 ORDER BY k`,
    "windowed_aggregate > having > order > project",
  ],
  // Sorting comes before the aggregation, so the rows must be kept.
  [`SELECT collect(a) FROM demo GROUP BY ${window} ORDER BY a`, "window > order > aggregate > project"],
  [`SELECT a FROM demo GROUP BY ${window} HAVING count(*) > 1`, "window > list_aggregate > having > project"],
  [`SELECT a FROM demo WHERE a > avg(a) GROUP BY ${window}`, "window > list_aggregate > filter > project"],
  [
    `SELECT count(*) FROM demo WHERE b > 1 AND a > avg(a) GROUP BY ${window}`,
    "filter > window > list_aggregate > filter > aggregate > project",
  ],
  // Functions that ask for the window cannot be asked while it is open.
  [`SELECT collect(window_start()) FROM demo GROUP BY ${window}`, "window > aggregate > project"],
  [`SELECT window_start(), count(*) FROM demo GROUP BY ${window}`, "windowed_aggregate > project"],
  // Sessions, count windows without interval and state windows have each row once, as tumbling ones do.
  [
    "SELECT count(*) FROM demo WHERE a > 1 GROUP BY k, SESSIONWINDOW(ss, 9, 3)",
    "filter > windowed_aggregate > project",
  ],
  ["SELECT count(*) FROM demo WHERE a > 1 GROUP BY COUNTWINDOW(3)", "windowed_aggregate > project"],
  ["SELECT count(*) FROM demo WHERE a > 1 GROUP BY COUNTWINDOW(3, 3)", "windowed_aggregate > project"],
  ["SELECT count(*) FROM demo WHERE a > 1 GROUP BY COUNTWINDOW(3, 2)", "window > filter > aggregate > project"],
  ["SELECT count(*) FROM demo WHERE a > 1 GROUP BY STATEWINDOW(b)", "filter > windowed_aggregate > project"],
  // State windows have partitions instead of groups: the rows come out one by one.
  ["SELECT a FROM demo GROUP BY a, STATEWINDOW(b)", "window > project"],
];

for (const [sql, kinds, options] of cases) {
  test(`${sql} is planned as ${kinds}`, () => {
    assert.equal(kindsOf(planOf(sql, options)), kinds);
  });
}

test("a plan reads the columns that are named, and the timestamp with event time", () => {
  const columns = (sql: string, options?: Partial<PlanOptions>) => {
    const { columns } = sourcesOf(planOf(sql, options).root)[0]!;
    return columns === "all" ? "all" : [...columns].sort();
  };
  assert.deepEqual(columns("SELECT a FROM timed WHERE b > 1"), ["a", "b"]);
  assert.deepEqual(columns("SELECT a FROM timed WHERE b > 1", eventTime), ["a", "b", "ts"]);
  assert.equal(columns("SELECT * FROM timed", eventTime), "all");
  const state = "STATEWINDOW(b > 1, c) OVER (PARTITION BY d)";
  assert.deepEqual(columns(`SELECT a FROM demo GROUP BY ${state}`), ["a", "b", "c", "d"]);
});

test("only the parts of WHERE without aggregates come before the window", () => {
  const plan = planOf(`SELECT a FROM demo WHERE (a > 1 AND (b > 2 AND count(*) > 3)) AND c > 4 GROUP BY ${window}`);
  const filters: number[] = [];
  for (const node of chainOf(plan).reverse()) {
    if (node.kind === "filter") filters.push(node.condition.kind === "logical" ? node.condition.operands.length : 1);
  }
  assert.deepEqual(filters, [1, 3]);
});

const refusals: readonly [sql: string, code: string, options?: Partial<PlanOptions>][] = [
  ["SELECT a FROM demo", "E302", eventTime],
  [`SELECT a FROM demo GROUP BY ${window}`, "E303", { sendMetaToSink: true }],
  ["SELECT a FROM demo INNER JOIN timed ON demo.a = timed.a", "E216"],
];

for (const [sql, code, options] of refusals) {
  test(`${sql} with ${JSON.stringify(options ?? {})} is refused with ${code}`, () => {
    assert.throws(
      () => planOf(sql, options),
      (error) => error instanceof DiagnosticError && error.diagnostics[0]!.code === code,
    );
  });
}
