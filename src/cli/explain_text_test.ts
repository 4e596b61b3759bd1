import { test } from "node:test";
import assert from "node:assert/strict";
import { explainTree } from "../runtime/explain_tree.ts";
import { planOf } from "../runtime/statement_fixture.ts";
import type { PlanOptions } from "../sql/plan.ts";
import { explainText } from "./explain_text.ts";

const plans: readonly (readonly [sql: string, text: string, options?: Partial<PlanOptions>])[] = [
  [
    "SELECT a, b + 1 AS c FROM demo WHERE a > 1 AND b < 2 LIMIT 3",
    `
select  a, b + 1 as c, at most 3
└─ where  a > 1 and b < 2
   └─ stream  demo: a, b`,
  ],
  [
    "SELECT count(*), k FROM demo GROUP BY k, TUMBLINGWINDOW(ss, 5) HAVING max(v) > 3 ORDER BY k DESC",
    `
select  count(*), k
└─ order by  k desc
   └─ having  max(v) > 3
      └─ window  tumbling, 5000 ms, processing time, running count(*), max(v) by k
         └─ stream  demo: all columns`,
  ],
  [
    "SELECT * EXCEPT (a), lag(b) AS p FROM timed GROUP BY SLIDINGWINDOW(ss, 10, 1) OVER (WHEN b > 2)",
    `
select  * except a, lag(b) as p
└─ window  sliding, 10000 ms and 1000 ms after when b > 2, event time
   └─ analytic  lag(b)
      └─ event time  timed.ts, rows may be 1000 ms late
         └─ stream  timed: all columns`,
    { isEventTime: true },
  ],
  [
    "SELECT demo.a FROM demo LEFT JOIN timed ON demo.id = timed.id WHERE timed.x > 3 AND demo.y > timed.x AND timed.z > 1 " +
    "GROUP BY TUMBLINGWINDOW(mi, 1)",
    `
select  demo.a
└─ where  demo.y > timed.x
   └─ join  left timed on demo.id = timed.id
      └─ window  tumbling, 60000 ms, processing time
         └─ where  timed.x > 3 and timed.z > 1 (rows of timed)
            └─ merge  rows of all inputs in the order they come
               ├─ stream  demo: a, id, y
               └─ stream  timed: id, x, z`,
  ],
];

for (const [sql, text, options] of plans) {
  test(`explain ${sql}`, () => {
    assert.equal(`\n${explainText(explainTree(planOf(sql, options), sql))}`, `${text}\n`);
  });
}

test("explainText() puts what the steps have done beside them", () => {
  const work = { in: 12, out: 3, errors: 0, dropped: 0, spentMs: 0.5 };
  const root = {
    step: "select",
    does: "a",
    work,
    inputs: [{
      step: "event time",
      does: "ts",
      work: { ...work, errors: 1, dropped: 2, spentMs: 1500, heldRows: 4, stateBytes: 2100, watermark: 60_000 },
      inputs: [],
    }],
  };
  assert.equal(
    explainText(root),
    `STEP               IN  OUT  TIME     HELD  STATE   NOTES
select  a          12  3    0.50 ms
└─ event time  ts  12  3    1.5 s    4     2.1 kB  1 failed, 2 dropped, watermark 1970-01-01T00:01:00.000Z
`,
  );
});
