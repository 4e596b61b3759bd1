import { test } from "node:test";
import assert from "node:assert/strict";
import type { RowError } from "../../diagnostics/row_error.ts";
import { compileCondition } from "../../sql/compile/compile.ts";
import type { WindowedAggregatePlan } from "../../sql/plan.ts";
import { NodeMetrics } from "../../telemetry/node_metrics.ts";
import { SeededRandom } from "../../value/seeded_random.ts";
import { Row } from "../../value/row.ts";
import type { Struct, Value } from "../../value/value.ts";
import type { OperatorContext } from "../operator.ts";
import { decodeState, encodeState } from "../state_codec.ts";
import { planOf } from "../statement_fixture.ts";
import { FreshRows } from "./fresh_rows.ts";
import { GroupPanes } from "./group_panes.ts";

const window = { start: 0, end: 10, trigger: 10 };

function setUp(select: string, keys = "", where = "") {
  const errors: string[] = [];
  const context = {
    rule: { ruleId: "r", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0 },
    changingSlots: [],
    metrics: new NodeMetrics(),
    fail: (error: unknown) => void errors.push(`${(error as RowError).code} ${(error as RowError).message}`),
    drop: () => assert.fail("nothing is dropped"),
  } as unknown as OperatorContext;
  const sql = `SELECT ${select} FROM timed ${where} GROUP BY ${keys}HOPPINGWINDOW(ss, 2, 1)`;
  let node = planOf(sql, { isEventTime: true }).root;
  while (node.kind !== "windowed_aggregate") {
    assert.ok("input" in node, sql);
    node = node.input;
  }
  const plan: WindowedAggregatePlan = node;
  const condition = plan.condition === undefined ? undefined : compileCondition(plan.condition, "WHERE", context);
  const open = () => new GroupPanes(plan.groupBy, plan.aggregates, condition, context);
  const content = open();
  const add = (at: number, values: Struct) => content.add(new Row(values, at), at);
  /** The results of the groups, with the columns of their first rows. */
  const listOf = (panes: GroupPanes) =>
    panes.list(window, new FreshRows(), 0)?.rows.map((row) => [row.values.i ?? null, ...row.slots ?? []]);
  return { content, open, add, list: () => listOf(content), listOf, errors: () => errors.splice(0) };
}

test("GroupPanes has what was added and is not evicted, as often as it is asked", () => {
  const { content, add, list } = setUp("sum(a), max(a), min(a), count(*)");
  add(1, { i: 1, a: 5 });
  add(1, { i: 2, a: 1 });
  add(2, { i: 3, a: 2 });
  assert.deepEqual(list(), [[1, 8, 5, 1, 3n]]);
  assert.deepEqual(list(), [[1, 8, 5, 1, 3n]]);
  content.evict(2);
  assert.deepEqual(list(), [[3, 2, 2, 2, 1n]]);
  add(2, { i: 4, a: 7 });
  assert.deepEqual(list(), [[3, 9, 7, 2, 2n]]);
  assert.equal(content.size, 2);
});

test("GroupPanes sorts groups by their first rows, as these go away", () => {
  const { content, add, list } = setUp("k, count(*)", "k, ");
  for (const [at, k] of [[1, "x"], [2, "y"], [3, "x"], [4, "z"], [5, "y"]] as const) add(at, { i: at, k });
  assert.deepEqual(list(), [[1, 2n], [2, 2n], [4, 1n]]);
  content.evict(2);
  assert.deepEqual(list(), [[2, 2n], [3, 1n], [4, 1n]]);
  content.evict(4);
  assert.deepEqual(list(), [[4, 1n], [5, 1n]]);
  content.evict(6);
  assert.equal(list(), undefined);
});

test("GroupPanes fails as long as the row stands in it, WHERE first, and is whole again without it", () => {
  const { content, add, list, errors } = setUp("sum(1 / a)", "", "WHERE 1 / b > 0");
  add(1, { a: 0, b: 1 });
  add(2, { a: 1, b: 0 });
  add(3, { a: 2, b: 1 });
  assert.equal(list(), undefined);
  content.evict(2);
  assert.equal(list(), undefined);
  assert.deepEqual(errors(), ["E503 Division by zero", "E503 Division by zero"]);
  content.evict(3);
  assert.deepEqual(list(), [[null, 0.5]]);
});

test("GroupPanes fails where values stand together that an aggregate does not take together", () => {
  const { content, add, list, errors } = setUp("max(a)");
  add(1, { a: 1 });
  add(2, { a: "b" });
  add(3, { a: "c" });
  assert.equal(list(), undefined);
  assert.deepEqual(errors(), ['E506 max() needs numbers, found string "b"']);
  content.evict(2);
  assert.deepEqual(list(), [[null, "c"]]);
  add(4, { a: 2 });
  assert.equal(list(), undefined);
  content.evict(4);
  assert.deepEqual(list(), [[null, 2]]);
});

test("GroupPanes hands on the row of an empty window without group expressions only", () => {
  assert.deepEqual(setUp("count(*)").list(), [[null]]);
  assert.deepEqual(setUp("count(*)", "k, ").list(), undefined);
  assert.deepEqual(setUp("count(*)", "", "WHERE a > 1").list(), undefined);
});

test("GroupPanes with WHERE is not empty for rows that WHERE refuses", () => {
  const { content, add, list } = setUp("count(*)", "", "WHERE a > 1");
  add(1, { a: 1 });
  assert.equal(content.size, 1);
  assert.equal(list(), undefined);
});

test("GroupPanes of thousands of positions gives what is in it, wherever it is cut", () => {
  const random = new SeededRandom(3);
  const { open, listOf } = setUp("sum(a), min(a), last_value(a, false)", "k, ");
  let content = open();
  let from = 0;
  const held: { at: number; k: number; a: number }[] = [];
  for (let i = 0, at = 0; i < 4000; i++) {
    at += random.below(3);
    const row = { at, k: random.below(2), a: random.below(1000) / 10 };
    content.add(new Row({ k: row.k, a: row.a, i }, at), at);
    held.push(row);
    if (random.below(4) > 0) continue;
    from = Math.max(from, at - 300 - random.below(100) * (i % 2));
    content.evict(from);
    if (random.below(10) === 0) {
      const state = encodeState(content.snapshot());
      content = open();
      content.restore(decodeState(state));
    }
    const expected = new Map<number, [number, Value, number]>();
    for (const { k, a } of held.filter((r) => r.at >= from)) {
      const group = expected.get(k) ?? [0, Infinity, 0];
      expected.set(k, [group[0] + a * 10, Math.min(group[1] as number, a), a]);
    }
    const actual = listOf(content)!.map(([, sum, least, last]) => [Math.round((sum as number) * 10), least, last]);
    assert.deepEqual(actual, [...expected.values()].map(([sum, least, last]) => [Math.round(sum), least, last]));
  }
});
