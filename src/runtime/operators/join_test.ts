/**
 * Joins as an operator: how large they may become, and that what is kept of a table follows its changes.
 * @module
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import type { RowError } from "../../diagnostics/row_error.ts";
import type { Catalog } from "../../sql/catalog.ts";
import { defaultPlanOptions, inputsOf, type Plan } from "../../sql/plan.ts";
import { prepareSelect } from "../../sql/prepare.ts";
import { NodeMetrics } from "../../telemetry/node_metrics.ts";
import { Row } from "../../value/row.ts";
import type { Struct } from "../../value/value.ts";
import type { Batch, OperatorContext } from "../operator.ts";
import { builtIns } from "../statement_fixture.ts";
import { JoinOperator } from "./join.ts";
import { joinedRowsMax, pairsMax } from "./join_step.ts";
import { LookupJoinOperator } from "./lookup_join.ts";

/** Streams `L` and `R`, the scan table `T`, the lookup table `K`. */
const catalog: Catalog = {
  source: (name) => ({
    name,
    kind: name === "T" ? "scan_table" : name === "K" ? "lookup_table" : "stream",
    columns: undefined,
    strictValidation: false,
    timestamp: undefined,
    timestampFormat: undefined,
    ...(name === "T" ? { retainSize: 3 } : {}),
  }),
  sourceNames: () => ["L", "R", "T", "K"],
};

function nodeOf<Kind extends Plan["kind"]>(kind: Kind, from: string): Extract<Plan, { kind: Kind }> {
  let node: Plan = prepareSelect(`SELECT 1 AS one FROM ${from}`, catalog, builtIns, defaultPlanOptions).root;
  while (node.kind !== kind) node = inputsOf(node)[0]!;
  return node as Extract<Plan, { kind: Kind }>;
}

function setUp(from: string, groupBy = "GROUP BY TUMBLINGWINDOW(ss, 10)") {
  const node = nodeOf("join", `${from} ${groupBy}`);
  const out: Batch[] = [];
  const errors: string[] = [];
  const context: OperatorContext = {
    rule: { ruleId: "r", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0 },
    changingSlots: [],
    metrics: new NodeMetrics(),
    severalSources: true,
    fail: (error) => void errors.push((error as RowError).message),
    drop: () => assert.fail("nothing is dropped"),
  };
  const operator = new JoinOperator(node, context, { push: (batch) => void out.push(batch), advance() {} });
  return { operator, out, errors, context };
}

function rowsOf(source: number, values: readonly Struct[]): Row[] {
  return values.map((each) => {
    const row = new Row(each, 0);
    row.source = source;
    return row;
  });
}

const numbered = (count: number): Struct[] => Array.from({ length: count }, (_, id) => ({ id }));
const window = { start: 0, end: 10, trigger: 10 };

test("JoinOperator refuses a list of more rows than a result can have", () => {
  const { operator, out, errors } = setUp("L CROSS JOIN R");
  const side = Math.ceil(Math.sqrt(joinedRowsMax)) + 1;
  operator.push({ rows: [...rowsOf(0, numbered(side)), ...rowsOf(1, numbered(side))], window });
  assert.match(errors[0]!, /more than 100000 rows/);
  assert.equal(out.length, 0);
});

test("LookupJoinOperator refuses a list of more rows than a result can have", () => {
  const { out, errors, context } = setUp("L INNER JOIN T ON L.id = T.id", "");
  const found = { find: () => numbered(joinedRowsMax / 10) };
  const plan = nodeOf("lookup_join", "L INNER JOIN K ON L.id = K.id GROUP BY TUMBLINGWINDOW(ss, 10)");
  const operator = new LookupJoinOperator(plan, found, context, {
    push: (batch) => void out.push(batch),
    advance() {},
  });
  operator.push({ rows: rowsOf(0, numbered(10)), window });
  assert.deepEqual([errors, out.splice(0).map((batch) => batch.rows.length)], [[], [joinedRowsMax]]);
  operator.push({ rows: rowsOf(0, numbered(11)), window });
  assert.match(errors[0]!, /more than 100000 rows/);
  assert.equal(out.length, 0);
});

test("JoinOperator refuses to look at too many pairs, and needs few of them where ON has an equality", () => {
  const side = Math.ceil(Math.sqrt(pairsMax)) + 1;
  const rows = [...rowsOf(0, numbered(side)), ...rowsOf(1, numbered(side))];
  const slow = setUp("L INNER JOIN R ON L.id + R.id = 0");
  slow.operator.push({ rows, window });
  assert.match(slow.errors[0]!, /more than 2000000 pairs/);
  assert.equal(slow.out.length, 0);
  const quick = setUp("L INNER JOIN R ON L.id = R.id AND L.id + R.id = 0");
  quick.operator.push({ rows, window });
  assert.deepEqual([quick.errors, quick.out.map((batch) => batch.rows.length)], [[], [1]]);
});

test("JoinOperator finds what its table holds now, with one index for as long as that does not change", () => {
  const { operator, out } = setUp("L INNER JOIN T ON L.id = T.id", "");
  const table = operator.tablePort(1);
  let read = 0;
  const counted = (id: number) => ({
    get id() {
      read++;
      return id;
    },
  });
  const found = (id: number): number => {
    out.length = 0;
    operator.push({ rows: rowsOf(0, [{ id }]), window: undefined });
    return out[0]?.rows.length ?? 0;
  };
  assert.equal(found(1), 0);
  table.push({ rows: rowsOf(1, [counted(1), counted(1), counted(2)]), window: undefined });
  assert.equal(found(1), 2);
  assert.equal(read, 3);
  assert.equal(found(2), 1);
  assert.equal(read, 3);
  table.push({ rows: rowsOf(1, [counted(2)]), window: undefined });
  assert.deepEqual([found(1), found(2)], [1, 2]);
});
