import assert from "node:assert/strict";
import { test } from "node:test";
import { Row } from "../../value/row.ts";
import type { Struct, Value } from "../../value/value.ts";
import { Pipeline } from "../pipeline.ts";
import { planOf } from "../statement_fixture.ts";
import { sizeOfEntries, sizeOfRows, sizeOfValue } from "./state_size.ts";

test("sizeOfValue() counts what values hold, to any depth and length", () => {
  assert.equal(sizeOfValue(1.5), 8);
  assert.ok(sizeOfValue("x".repeat(1000)) > 1000 && sizeOfValue("x".repeat(1000)) < 1100);
  assert.ok(sizeOfValue(new Uint8Array(5000)) > 5000);
  assert.ok(sizeOfValue(5n) > sizeOfValue(5));
  assert.ok(sizeOfValue({ a: { b: ["x".repeat(500)] } }) > 500);
  const list = Array.from({ length: 100_000 }, (_, i): Value => i % 2 === 0 ? "x".repeat(100) : 1);
  const exact = list.reduce((bytes: number, each) => bytes + sizeOfValue(each), 0);
  assert.ok(Math.abs(sizeOfValue(list) - exact) < exact / 10, `${sizeOfValue(list)} for ${exact}`);
});

test("sizeOfValue() comes to an end however deep a value is", () => {
  let deep: Value = 1;
  for (let i = 0; i < 100_000; i++) deep = [deep];
  assert.ok(sizeOfValue(deep) < 10_000);
});

test("sizeOfRows() and sizeOfEntries() of a million cost next to nothing", () => {
  const row = new Row({ a: 1, b: "text" }, 0);
  const rows = new Array<Row>(1_000_000).fill(row);
  const map = new Map(Array.from({ length: 200_000 }, (_, i) => [String(i), i]));
  sizeOfEntries(map, sizeOfValue);
  const started = performance.now();
  assert.ok(sizeOfRows(rows) > 100_000_000);
  assert.ok(sizeOfEntries(map, sizeOfValue) > 10_000_000);
  assert.ok(performance.now() - started < 100);
});

/** What the state of a statement takes after so many rows, with keys of their own. */
function stateAfter(sql: string, count: number, isEventTime = false): number {
  const pipeline = new Pipeline(planOf(sql, { isEventTime }), {
    rule: { ruleId: "r", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0 },
    output: { rows() {}, list() {}, failed: (error) => assert.fail(error) },
  });
  const rows = Array.from({ length: count }, (_, i) => {
    const values: Struct = { a: i, k: `key${i}`, ts: 1_000_000_000 + i, s: 0, t0: 1e12, t1: 2e12, t2: 1e12 };
    return new Row(values, 1);
  });
  pipeline.push(rows, 1);
  return pipeline.nodes.reduce((bytes, { operator }) => bytes + (operator.stateBytes?.() ?? 0), 0);
}

const growing: readonly (readonly [sql: string, isEventTime?: true])[] = [
  ["SELECT a FROM demo GROUP BY TUMBLINGWINDOW(hh, 1)"],
  ["SELECT k, count(*) AS n FROM demo GROUP BY k, TUMBLINGWINDOW(hh, 1)"],
  ["SELECT collect(k) AS all FROM demo GROUP BY TUMBLINGWINDOW(hh, 1)"],
  ["SELECT a FROM demo GROUP BY HOPPINGWINDOW(hh, 2, 1)"],
  ["SELECT k, sum(a) AS n FROM demo GROUP BY k, HOPPINGWINDOW(hh, 2, 1)"],
  ["SELECT a FROM demo GROUP BY SLIDINGWINDOW(hh, 1, 1)"],
  ["SELECT a FROM demo GROUP BY SESSIONWINDOW(hh, 2, 1)"],
  ["SELECT a FROM demo GROUP BY COUNTWINDOW(5000)"],
  ["SELECT a FROM demo GROUP BY COUNTWINDOW(5000, 2500)"],
  ["SELECT a FROM demo GROUP BY STATEWINDOW(s = 0, s = 1)"],
  ["SELECT a FROM timed GROUP BY TUMBLINGWINDOW(hh, 1)", true],
  ["SELECT lag(a) OVER (PARTITION BY k) AS p FROM demo"],
  ["SELECT dedup_trigger(t0, t1, t2, 1000) AS d FROM demo"],
];

for (const [sql, isEventTime] of growing) {
  test(`the state grows with its rows: ${sql}`, () => {
    const [little, much] = [stateAfter(sql, 200, isEventTime), stateAfter(sql, 2000, isEventTime)];
    assert.ok(little > 200 * 20, `${little} bytes for 200 rows`);
    assert.ok(much > 5 * little && much < 20 * little, `${little} bytes for 200 rows, ${much} for 2000`);
  });
}

test("the state of running aggregates does not grow with the rows", () => {
  const sql = "SELECT avg(a) AS mean FROM demo GROUP BY TUMBLINGWINDOW(hh, 1)";
  assert.ok(stateAfter(sql, 2000) < 2000);
});
