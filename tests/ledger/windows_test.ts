import assert from "node:assert/strict";
import { test } from "node:test";
import { ledgerOfPipeline, type Total } from "../../src/runtime/ledger.ts";
import { Pipeline } from "../../src/runtime/pipeline.ts";
import { planOf } from "../../src/runtime/statement_fixture.ts";
import { RowError } from "../../src/diagnostics/row_error.ts";
import { NodeMetrics } from "../../src/telemetry/node_metrics.ts";
import { FreshRows } from "../../src/runtime/windows/fresh_rows.ts";
import { Row } from "../../src/value/row.ts";
import type { Value } from "../../src/value/value.ts";

/** Rows as they come, by their second and value, or `end`. Sums after each. */
function play(window: string, events: readonly (readonly [second: number, a: Value] | number | "end")[]): Total {
  const nothing = () => {};
  const pipeline = new Pipeline(planOf(`SELECT sum(a) AS s FROM demo GROUP BY ${window}`), {
    rule: { ruleId: "r", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0 },
    output: { rows: nothing, list: nothing, failed: nothing },
  });
  for (const event of events) {
    if (event === "end") pipeline.end(0);
    else if (typeof event === "number") pipeline.advance(event * 1000);
    else pipeline.push([new Row({ a: event[1] }, event[0] * 1000)], event[0] * 1000);
    assert.deepEqual(ledgerOfPipeline(pipeline).imbalances, [], `${window} after ${JSON.stringify(event)}`);
  }
  return ledgerOfPipeline(pipeline).rows;
}

const cases: [
  name: string,
  window: string,
  events: Parameters<typeof play>[1],
  expected: Partial<Total>,
][] = [
  [
    "a tumbling window that fails loses all of its rows",
    "TUMBLINGWINDOW(ss, 10)",
    [[1, 1], [2, "x"], [3, 1], [11, 1], 20],
    { in: 4, out: 1, failed: { E506: 3 } },
  ],
  [
    "a row of overlapping windows counts with the first that is handed on",
    "HOPPINGWINDOW(ss, 20, 10)",
    [[1, 1], [11, 2], 20, 30, 40],
    { in: 2, out: 2, held: 0 },
  ],
  [
    "an overlapping window that fails loses the rows that were in none before",
    "HOPPINGWINDOW(ss, 20, 10)",
    [[1, 1], [2, 1], 10, [11, "x"], [12, 1], 20, [21, 1], 30, 40],
    { in: 5, out: 3, failed: { E506: 2 } },
  ],
  [
    "rows in the gaps between windows are dropped",
    "HOPPINGWINDOW(ss, 1, 10)",
    [[1, 1], [9, 1], 10],
    { in: 2, out: 1, dropped: { gap: 1 } },
  ],
  [
    "a row that triggers no window, and is in none of those to come, is filtered",
    "SLIDINGWINDOW(ss, 2) OVER (WHEN a > 5)",
    [[1, 1], [2, 1], [5, 9], [6, 1]],
    { in: 4, out: 1, filtered: 2, held: 1 },
  ],
  [
    "rows that wait for the window of a later row are held",
    "SLIDINGWINDOW(ss, 10) OVER (WHEN a > 5)",
    [[1, 1], [2, 1]],
    { in: 2, held: 2 },
  ],
  [
    "rows that no count window has had by the end of the input are filtered",
    "COUNTWINDOW(3, 2)",
    [[1, 1], [2, 1], [3, 1], [4, 1], [5, 1], "end"],
    { in: 5, out: 3, filtered: 2, held: 0 },
  ],
  [
    "rows outside of states are filtered, and so is a state that has not ended",
    "STATEWINDOW(a = 1, a = 3)",
    [[1, 0], [2, 1], [3, 3], [4, 1], "end"],
    { in: 4, out: 2, filtered: 2 },
  ],
  [
    "a session hands on every row once",
    "SESSIONWINDOW(ss, 20, 3)",
    [[1, 1], [2, 1], 5, [6, 1], 9],
    { in: 3, out: 3, held: 0 },
  ],
];

for (const [name, window, events, expected] of cases) {
  test(name, () => {
    const total = play(window, events);
    const found = Object.fromEntries(Object.keys(expected).map((key) => [key, total[key as keyof Total]]));
    assert.deepEqual(found, expected);
  });
}

test("FreshRows counts each row once, when it is handed on or forgotten", () => {
  const metrics = new NodeMetrics();
  const rows = new FreshRows();
  for (const at of [1, 1, 2, 5, 5, 7]) rows.add(at);
  assert.equal(rows.forget(2, metrics), 2);
  assert.equal(rows.handOn(7), 1);
  rows.spoil(2, new RowError("E502", "no"));
  assert.equal(rows.handOn(5), 2);
  for (const at of [5, 5]) rows.add(at);
  assert.equal(rows.size, 3);
  rows.shift(10);
  const copy = new FreshRows();
  copy.restore(rows.snapshot());
  for (const each of [rows, copy]) {
    assert.equal(each.handOn(15), 2);
    each.add(20);
    assert.equal(each.forget(13, metrics), 0);
    assert.equal(each.forget(Infinity, metrics), 1);
    assert.deepEqual([each.size, each.handOn(-Infinity)], [0, 0]);
  }
  assert.deepEqual([...metrics.failedBy], [["E502", 2]]);
});
