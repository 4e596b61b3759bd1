import { test } from "node:test";
import assert from "node:assert/strict";
import type { PlanOptions } from "../sql/plan.ts";
import { Row } from "../value/row.ts";
import type { Struct } from "../value/value.ts";
import { Pipeline } from "./pipeline.ts";
import { decodeState, encodeState } from "./state_codec.ts";
import { planOf } from "./statement_fixture.ts";

function setUp(sql: string, options: Partial<PlanOptions> = {}, lists: [Struct[], boolean][] = []) {
  const out: unknown[] = [];
  const rule = { ruleId: "r", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0 };
  const pipeline = new Pipeline(planOf(sql, options), {
    rule,
    output: {
      rows: (rows) => void out.push(...rows),
      list: (rows, ofEmptyWindow) => {
        out.push(rows);
        lists.push([rows, ofEmptyWindow]);
      },
      failed: (error, node) => void out.push(`${node}: ${error.code}`),
    },
  });
  const push = (now: number, ...rows: Struct[]) => {
    pipeline.push(rows.map((values) => new Row(values, now)), now);
    return out.splice(0);
  };
  const counts = () =>
    pipeline.nodes.map(({ type, metrics: m }) => `${type} ${m.recordsIn} ${m.recordsOut} ${m.exceptions}`);
  return { pipeline, out, push, counts };
}

test("Pipeline counts rows in, rows out and errors of every operator", () => {
  const { push, counts } = setUp("SELECT a, 1 / b AS q FROM demo WHERE 10 / a > 1");
  assert.deepEqual(push(5, { a: 1, b: 1 }, { a: 0 }, { a: 20 }, { a: 2, b: 0 }), [
    "filter: E503",
    "project: E503",
    { a: 1, q: 1 },
  ]);
  assert.deepEqual(counts(), ["filter 4 2 1", "project 2 1 1"]);
});

test("Pipeline counts lists behind a window", () => {
  const { pipeline, push, counts } = setUp("SELECT a FROM demo GROUP BY TUMBLINGWINDOW(ss, 1)");
  push(100, { a: 1 }, { a: 2 });
  push(1500, { a: 3 });
  assert.deepEqual(counts(), ["window 3 1 0", "project 1 1 0"]);
  pipeline.end(1500);
  assert.deepEqual(counts(), ["window 3 2 0", "project 2 2 0"]);
});

test("Pipeline tells of lists whose window was empty", () => {
  for (const select of ["a", "count(*) AS c"]) {
    const lists: [Struct[], boolean][] = [];
    const { pipeline } = setUp(`SELECT ${select} FROM demo GROUP BY TUMBLINGWINDOW(ss, 1)`, {}, lists);
    pipeline.push([new Row({ a: 1 }, 100)], 100);
    pipeline.advance(2000);
    assert.deepEqual(lists.map(([, ofEmptyWindow]) => ofEmptyWindow), [false, true]);
  }
});

test("Pipeline notes the last error and when it was", () => {
  const { pipeline, push } = setUp("SELECT 1 / a AS q FROM demo");
  push(7, { a: 0 });
  const { metrics } = pipeline.nodes[0]!;
  assert.match(metrics.lastException, /^E503: Division by zero/);
  assert.equal(metrics.lastExceptionTime, 7);
});

test("Pipeline tells when it must be called next", () => {
  assert.equal(setUp("SELECT a FROM demo").pipeline.deadline(), Infinity);
  const { pipeline, push, out } = setUp("SELECT a FROM demo GROUP BY TUMBLINGWINDOW(ss, 5)");
  assert.equal(pipeline.deadline(), 5000);
  push(100, { a: 1 });
  pipeline.advance(5000);
  assert.deepEqual(out, [[{ a: 1 }]]);
  assert.equal(pipeline.deadline(), 10_000);
});

test("Pipeline in event time takes a watermark from outside", () => {
  const { pipeline, push, out } = setUp("SELECT a FROM timed GROUP BY TUMBLINGWINDOW(ss, 5)", { isEventTime: true });
  push(0, { a: 1, ts: 1000 });
  pipeline.advance(0, 5000);
  assert.deepEqual(out.splice(0), [[{ a: 1 }]]);
  assert.deepEqual(push(0, { a: 2, ts: 4999 }), []);
  assert.equal(pipeline.nodes[0]!.metrics.dropped.get("late"), 1);
});

test("Pipeline goes on where a snapshot was taken, with the state of every operator", () => {
  const sql = "SELECT k, lag(a) AS p, count(*) AS n FROM timed GROUP BY k, TUMBLINGWINDOW(ss, 10) ORDER BY k";
  const before = setUp(sql, { isEventTime: true });
  before.push(0, { k: "x", a: 1, ts: 1000 }, { k: "y", a: 2, ts: 2500 });
  const state = encodeState(before.pipeline.snapshot());
  const after = setUp(sql, { isEventTime: true });
  after.pipeline.restore(decodeState(state));
  for (const { push, pipeline, out } of [before, after]) {
    const first = push(1, { k: "x", a: 3, ts: 2000 }, { k: "x", a: 4, ts: 11_500 });
    assert.deepEqual(first, [[{ k: "x", n: 2n }, { k: "y", p: 3, n: 1n }]]);
    pipeline.end(2);
    assert.deepEqual(out, [[{ k: "x", p: 2, n: 1n }]]);
  }
});

test("Pipeline never writes to the rows of the source", () => {
  const rows: Struct[] = [Object.freeze({ a: 1, b: Object.freeze([2]) as never })];
  const { push } = setUp("SELECT *, a + 1 AS a, lag(a) AS p, b[0] AS b0 FROM demo WHERE a > 0");
  assert.deepEqual(push(0, ...rows), [{ a: 2, b: [2], b0: 2 }]);
});

test("Pipeline times each operator without those behind it", () => {
  // The pattern makes the filter slow; the projection copies a column.
  const { pipeline, push } = setUp("SELECT a FROM demo WHERE a LIKE '%x%y%z%'");
  push(1, ...Array.from({ length: 200 }, () => ({ a: `${"xy".repeat(3_000)}z` })));
  const [filter, project] = pipeline.nodes.map(({ metrics }) => metrics.latencyUs);
  assert.ok(filter! > 0 && filter! > project!, `${filter} µs, ${project} µs`);
});
