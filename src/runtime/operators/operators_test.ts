/**
 * What the operators without state do with lists: they hand on all of a list or nothing of it, and say why.
 * @module
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import type { RowError } from "../../diagnostics/row_error.ts";
import { inputsOf, type Plan } from "../../sql/plan.ts";
import { NodeMetrics } from "../../telemetry/node_metrics.ts";
import { Row, type WindowSpan } from "../../value/row.ts";
import type { Struct, Value } from "../../value/value.ts";
import type { Batch, Operator, OperatorContext, Output } from "../operator.ts";
import { planOf } from "../statement_fixture.ts";
import { AggregateOperator } from "./aggregate.ts";
import { AnalyticOperator } from "./analytic.ts";
import { FilterOperator } from "./filter.ts";
import { HavingOperator } from "./having.ts";
import { ListAggregateOperator } from "./list_aggregate.ts";
import { OrderOperator } from "./order.ts";

const span: WindowSpan = { start: 0, end: 10, trigger: 10 };

/** The node of this kind that stands last in the plan of `sql`. */
function nodeOf<Kind extends Plan["kind"]>(kind: Kind, sql: string): Extract<Plan, { kind: Kind }> {
  let node: Plan = planOf(sql).root;
  while (node.kind !== kind) {
    assert.ok(node.kind !== "source", `no ${kind} in ${sql}`);
    node = inputsOf(node)[0]!;
  }
  return node as Extract<Plan, { kind: Kind }>;
}

function setUp(create: (context: OperatorContext, output: Output) => Operator) {
  const out: Batch[] = [];
  const errors: string[] = [];
  const context: OperatorContext = {
    rule: { ruleId: "r", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0 },
    changingSlots: [],
    metrics: new NodeMetrics(),
    fail: (error) => void errors.push((error as RowError).code),
    drop: () => assert.fail("nothing is dropped"),
  };
  const operator = create(context, { push: (batch) => void out.push(batch), advance() {} });
  const values = () => out.splice(0).map(({ rows }) => rows.map((row) => row.values));
  const list = (...rows: Struct[]) => {
    operator.push({ rows: rows.map((row) => new Row(row, 0)), window: span });
    return values();
  };
  const rows = (...rows: Struct[]) => {
    operator.push({ rows: rows.map((row) => new Row(row, 0)), window: undefined });
    return values();
  };
  return { operator, out, errors, list, rows };
}

const filter = () =>
  setUp((context, output) =>
    new FilterOperator(nodeOf("filter", "SELECT a FROM demo WHERE 10 / a > 1"), context, output)
  );

test("FilterOperator drops the failing row alone, or the whole list", () => {
  const { rows, list, errors } = filter();
  assert.deepEqual(rows({ a: 1 }, { a: 0 }, { a: 2 }), [[{ a: 1 }, { a: 2 }]]);
  assert.deepEqual(errors.splice(0), ["E503"]);
  assert.deepEqual(list({ a: 1 }, { a: 0 }, { a: 2 }), []);
  assert.deepEqual(errors, ["E503"]);
});

test("FilterOperator hands on no list without rows", () => {
  const { list, rows } = filter();
  assert.deepEqual(list({ a: 20 }), []);
  assert.deepEqual(list(), []);
  assert.deepEqual(rows({ a: 20 }), []);
});

const order = (by: string) =>
  setUp((context, output) =>
    new OrderOperator(
      nodeOf("order", `SELECT a FROM demo GROUP BY TUMBLINGWINDOW(ss, 1) ORDER BY ${by}`),
      context,
      output,
    )
  );

test("OrderOperator sorts ints and floats together, and datetimes and strings each for themselves", () => {
  const { list } = order("a");
  assert.deepEqual(list({ a: 2n }, { a: 1.5 }, { a: null }, { a: -1n }), [[
    { a: -1n },
    { a: 1.5 },
    { a: 2n },
    { a: null },
  ]]);
  assert.deepEqual(list({ a: "b" }, { a: "B" }, {}), [[{ a: "B" }, { a: "b" }, {}]]);
});

test("OrderOperator leaves the order of its input as it was", () => {
  const { operator, out } = order("a DESC");
  const rows = [new Row({ a: 1 }, 0), new Row({ a: 2 }, 0)];
  operator.push({ rows, window: span });
  assert.deepEqual(rows.map((row) => row.values.a), [1, 2]);
  assert.deepEqual(out[0]!.rows.map((row) => row.values.a), [2, 1]);
});

test("OrderOperator refuses lists it cannot sort", () => {
  const { list, errors } = order("a");
  assert.deepEqual(list({ a: 1 }, { a: "x" }), []);
  assert.deepEqual(list({ a: [1] }), []);
  assert.deepEqual(errors, ["E502", "E502"]);
  assert.deepEqual(list(), [[]]);
});

test("HavingOperator drops the list on which it fails, whatever group it was", () => {
  const sql = "SELECT k FROM demo GROUP BY k, TUMBLINGWINDOW(ss, 1) HAVING last_value(a, false)";
  const plan = nodeOf("having", sql);
  const { operator, out, errors } = setUp((context, output) => new HavingOperator(plan, context, output));
  const push = (...results: Value[]) => {
    const rows = results.map((result, i) => Object.assign(new Row({ i }, 0), { slots: [result] }));
    operator.push({ rows, window: span });
    return out.splice(0).map((batch) => batch.rows.map((row) => row.values.i));
  };
  assert.deepEqual(push(true, false, true), [[0, 2]]);
  assert.deepEqual(push(false), []);
  assert.deepEqual(push(true, null), []);
  assert.deepEqual(push(true, 1n), []);
  assert.deepEqual(errors, ["E504", "E504"]);
});

test("AggregateOperator gives one row a group in order of first appearance, and keeps nothing", () => {
  const plan = nodeOf(
    "aggregate",
    "SELECT collect(a) AS c FROM demo GROUP BY k, window_start(), TUMBLINGWINDOW(ss, 1)",
  );
  const { operator, out, errors } = setUp((context, output) => new AggregateOperator(plan, context, output));
  const push = (...rows: Struct[]) => {
    operator.push({ rows: rows.map((row) => new Row(row, 0)), window: span });
    return out.splice(0).map((batch) => batch.rows.map((row) => [row.values.k, row.slots]));
  };
  assert.deepEqual(push({ k: "y", a: 1 }, { k: "x", a: 2 }, { k: "y", a: 3 }), [[["y", [[1, 3]]], ["x", [[2]]]]]);
  assert.deepEqual(push(), []);
  assert.deepEqual(push({ k: "y", a: 4 }), [[["y", [[4]]]]]);
  assert.deepEqual(errors, []);
});

test("ListAggregateOperator gives every row of a list the same results", () => {
  const sql = "SELECT a FROM demo WHERE a > avg(a) GROUP BY TUMBLINGWINDOW(ss, 1)";
  const plan = nodeOf("list_aggregate", sql);
  const { operator, out, errors } = setUp((context, output) => new ListAggregateOperator(plan, context, output));
  const push = (window: WindowSpan | undefined, ...rows: Struct[]) => {
    operator.push({ rows: rows.map((row) => new Row(row, 0)), window });
    return out.splice(0).map((batch) => batch.rows.map((row) => row.slots![0]));
  };
  assert.deepEqual(push(span, { a: 1 }, { a: 3 }), [[2, 2]]);
  assert.deepEqual(push(undefined, { a: 1 }, { a: "x" }, { a: 3 }), [[1, 3]]);
  assert.deepEqual(push(span, { a: 1 }, { a: "x" }), []);
  assert.deepEqual(push(span), [[]]);
  assert.deepEqual(push(span, { a: 5 }), [[5]]);
  assert.deepEqual(errors, ["E506", "E506"]);
});

test("AnalyticOperator keeps one state a call and partition, and none for rows that fail", () => {
  const plan = nodeOf("analytic", "SELECT lag(10 / a) OVER (PARTITION BY k) AS p FROM demo");
  const { operator, rows, errors } = setUp((context, output) => new AnalyticOperator(plan, context, output));
  rows({ k: "x", a: 1 }, { k: "y", a: 2 }, { k: "x", a: 0 }, { a: 5 });
  assert.deepEqual(errors, ["E503"]);
  const [[call]] = operator.snapshot!() as [[[string, { ring: Value[] }][], Value]];
  assert.deepEqual(call.map(([, state]) => state.ring), [[10], [5], [2]]);
});
