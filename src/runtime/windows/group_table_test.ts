import { test } from "node:test";
import assert from "node:assert/strict";
import type { AggregatePlan, Plan, WindowedAggregatePlan } from "../../sql/plan.ts";
import { compileCondition } from "../../sql/compile/compile.ts";
import type { RowError } from "../../diagnostics/row_error.ts";
import { NodeMetrics } from "../../telemetry/node_metrics.ts";
import { Row } from "../../value/row.ts";
import type { Struct, Value } from "../../value/value.ts";
import type { OperatorContext } from "../operator.ts";
import { decodeState, encodeState } from "../state_codec.ts";
import { planOf } from "../statement_fixture.ts";
import { GroupContent } from "./content.ts";
import { compileGroups, GroupTable } from "./group_table.ts";

const errors: string[] = [];
const context: OperatorContext = {
  rule: { ruleId: "r", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0 },
  changingSlots: [],
  metrics: new NodeMetrics(),
  fail: (error) => void errors.push(`${(error as RowError).code} ${(error as RowError).message}`),
  drop: () => assert.fail("nothing is dropped"),
};
const window = { start: 0, end: 10, trigger: 10 };

function aggregation(sql: string): AggregatePlan | WindowedAggregatePlan {
  let node: Plan = planOf(sql, { isEventTime: sql.includes("timed") }).root;
  while (node.kind !== "aggregate" && node.kind !== "windowed_aggregate") {
    assert.ok("input" in node);
    node = node.input;
  }
  return node;
}

function tableOf(keys: string): GroupTable {
  const by = keys === "" ? "" : `${keys}, `;
  const plan = aggregation(`SELECT count(*) AS n FROM demo GROUP BY ${by}TUMBLINGWINDOW(ss, 1)`);
  return new GroupTable(compileGroups(plan.groupBy, plan.aggregates, context));
}

function counts(table: GroupTable, rows: readonly Struct[]): Value[] {
  for (const row of rows) table.add(new Row(row, 0));
  return table.take(window).map((row) => row.slots![0]);
}

test('GroupTable groups what reads the same: int 1, float 1 and "1"', () => {
  assert.deepEqual(counts(tableOf("k"), [{ k: 1n }, { k: 1 }, { k: "1" }, { k: "1.0" }, { k: true }, { k: "true" }]), [
    3n,
    1n,
    2n,
  ]);
});

test("GroupTable tells null from every text", () => {
  const texts = ["", "<nil>", "\u0000", "\u0000\u0000", "null"];
  assert.deepEqual(counts(tableOf("k"), [{}, { k: null }, ...texts.map((k) => ({ k }))]), [2n, 1n, 1n, 1n, 1n, 1n]);
});

test("GroupTable groups keys of several parts by their texts joined with commas", () => {
  assert.deepEqual(counts(tableOf("a, b"), [{ a: "x,y", b: "z" }, { a: "x", b: "y,z" }, { a: "x,y,z" }]), [2n, 1n]);
  const rows = [
    { a: "xy", b: "z" },
    { a: "x", b: "yz" },
    { a: "x\u0001y", b: "" },
    { a: "x", b: "y\u0001" },
    { a: "1:x", b: "" },
    { a: "", b: "1:x" },
    { a: "x" },
    { b: "x" },
  ];
  assert.deepEqual(counts(tableOf("a, b"), rows), rows.map(() => 1n));
});

test("GroupTable without keys always has one group, of null results when no row came", () => {
  const table = tableOf("");
  assert.deepEqual(table.take(window).map((row) => row.slots), [undefined]);
  assert.deepEqual(counts(table, [{}, {}]), [2n]);
});

test("GroupTable with keys is empty after its groups were taken", () => {
  const table = tableOf("k");
  assert.deepEqual(counts(table, [{ k: 1 }]), [1n]);
  assert.equal(table.size, 0);
  assert.deepEqual(table.take(window), []);
});

test("GroupTable goes on where a snapshot was taken", () => {
  const before = tableOf("k");
  before.add(new Row({ k: "x" }, 0));
  const after = tableOf("k");
  after.restore(decodeState(encodeState(before.snapshot())));
  assert.deepEqual(counts(after, [{ k: "y" }, { k: "x" }]), [2n, 1n]);
});

function contentOf(sql: string): GroupContent {
  const plan = aggregation(sql) as WindowedAggregatePlan;
  const condition = plan.condition === undefined ? undefined : compileCondition(plan.condition, "WHERE", context);
  return new GroupContent(new GroupTable(compileGroups(plan.groupBy, plan.aggregates, context)), condition, context);
}

test("GroupContent fails its window as a whole, once, and is whole again for the next", () => {
  const content = contentOf("SELECT sum(a) AS s FROM demo GROUP BY TUMBLINGWINDOW(ss, 1)");
  for (const a of [1, "x", "y", 2]) content.add(new Row({ a }, 0));
  assert.equal(content.close(window), undefined);
  assert.match(errors.splice(0).join("; "), /^E506 sum\(\) needs numbers, found string "x"$/);
  content.add(new Row({ a: 5 }, 0));
  assert.deepEqual(content.close(window)!.rows.map((row) => row.slots), [[5]]);
});

test("GroupContent keeps the failure of its window over a restart", () => {
  const sql = "SELECT sum(1 / a) AS s FROM demo GROUP BY TUMBLINGWINDOW(ss, 1)";
  const before = contentOf(sql);
  before.add(new Row({ a: 0 }, 0));
  const after = contentOf(sql);
  after.restore(decodeState(encodeState(before.snapshot())));
  assert.equal(after.close(window), undefined);
  assert.deepEqual(errors.splice(0), ["E503 Division by zero"]);
});

test("GroupContent with WHERE behind the window is not empty for rows that WHERE refuses, and gives nothing", () => {
  const content = contentOf("SELECT count(*) AS n FROM timed WHERE a > 1 GROUP BY TUMBLINGWINDOW(ss, 1)");
  assert.equal(content.emitsEmpty, false);
  content.add(new Row({ a: 1 }, 0));
  assert.equal(content.size, 1);
  assert.equal(content.close(window), undefined);
  assert.equal(content.size, 0);
});
