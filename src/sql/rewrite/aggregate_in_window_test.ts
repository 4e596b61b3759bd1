import { test } from "node:test";
import assert from "node:assert/strict";
import { kindsOf, planOf } from "../../runtime/statement_fixture.ts";

const hopping = "HOPPINGWINDOW(ss, 2, 1)";
const sliding = "SLIDINGWINDOW(ss, 2)";

const cases: readonly [sql: string, kinds: string, eventTime?: true][] = [
  [`SELECT sum(a) FROM demo GROUP BY ${hopping}`, "windowed_aggregate > project"],
  [`SELECT k, max(a) FROM demo GROUP BY k, ${sliding}`, "windowed_aggregate > project"],
  [`SELECT k FROM demo GROUP BY k, ${hopping}`, "windowed_aggregate > project"],
  // WHERE comes after a sliding window always, and after a hopping one in event time.
  [`SELECT sum(a) FROM demo WHERE a > 1 GROUP BY ${sliding}`, "windowed_aggregate > project"],
  [`SELECT sum(a) FROM timed WHERE a > 1 GROUP BY ${hopping}`, "watermark > windowed_aggregate > project", true],
  [`SELECT sum(a) FROM demo WHERE a > 1 GROUP BY ${hopping}`, "filter > windowed_aggregate > project"],
  // One aggregate that needs the rows is enough for all of them to be kept, where windows overlap.
  [`SELECT sum(a), collect(a) FROM demo GROUP BY ${hopping}`, "window > aggregate > project"],
  [`SELECT sum(a), stddev(a) FROM demo GROUP BY ${sliding}`, "window > aggregate > project"],
  ["SELECT sum(a), collect(a) FROM demo GROUP BY TUMBLINGWINDOW(ss, 1)", "windowed_aggregate > project"],
  // What may be another value at the end of the window is not computed before it.
  [`SELECT sum(window_end() - a) FROM demo GROUP BY ${sliding}`, "window > aggregate > project"],
  [`SELECT max(tstamp() - a) FROM demo GROUP BY ${hopping}`, "window > aggregate > project"],
  [`SELECT sum(a), window_end(), tstamp() FROM demo GROUP BY ${hopping}`, "windowed_aggregate > project"],
];

for (const [sql, kinds, eventTime] of cases) {
  test(`${sql}${eventTime ? " in event time" : ""} is rewritten to ${kinds}`, () => {
    assert.equal(kindsOf(planOf(sql, { isEventTime: eventTime === true })), kinds);
  });
}

test("the options of a sliding window stay with it when it aggregates", () => {
  const { root } = planOf(`SELECT sum(a) FROM demo GROUP BY ${sliding}`, { slidingTwice: true, slidingOpenLeft: true });
  assert.ok(root.kind === "project" && root.input.kind === "windowed_aggregate");
  assert.deepEqual([root.input.slidingTwice, root.input.slidingOpenLeft], [true, true]);
});
