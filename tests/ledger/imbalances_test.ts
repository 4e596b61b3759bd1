import assert from "node:assert/strict";
import { test } from "node:test";
import { ledgerText, verdictText } from "../../src/cli/ledger_text.ts";
import { ledgerOfPipeline } from "../../src/runtime/ledger.ts";
import { Pipeline } from "../../src/runtime/pipeline.ts";
import { emptyLedger, type RuleLedger } from "../../src/runtime/rule_ledger.ts";
import { planOf } from "../../src/runtime/statement_fixture.ts";
import { Row } from "../../src/value/row.ts";

/** A pipeline that has taken rows with these values of `a`. */
function run(sql: string, ...values: number[]): Pipeline {
  const nothing = () => {};
  const pipeline = new Pipeline(planOf(sql), {
    rule: { ruleId: "r", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0 },
    output: { rows: nothing, list: nothing, failed: nothing },
  });
  pipeline.push(values.map((a) => new Row({ a }, 0)), 0);
  return pipeline;
}

function metricsOf(pipeline: Pipeline, type: string) {
  return pipeline.nodes.find((node) => node.type === type)!.metrics;
}

const filtering = "SELECT a FROM demo WHERE a > 1";
const counting = "SELECT count(*) FROM demo GROUP BY COUNTWINDOW(2)";

test("pipelines that count everything balance", () => {
  const { rows: filtered } = ledgerOfPipeline(run(filtering, 1, 2, 3, 4));
  assert.deepEqual([filtered.in, filtered.out, filtered.filtered], [4, 3, 1]);
  const { rows, lists, imbalances } = ledgerOfPipeline(run(counting, 1, 2, 3));
  assert.deepEqual(imbalances, []);
  assert.deepEqual([rows.in, rows.out, rows.held], [3, 2, 1]);
  assert.deepEqual([lists!.in, lists!.out], [1, 1]);
});

test("a row that a step has forgotten is found at that step", () => {
  const pipeline = run(filtering, 1, 2, 3, 4);
  metricsOf(pipeline, "filter").filtered--;
  const { imbalances } = ledgerOfPipeline(pipeline);
  assert.match(imbalances[0]!, /^step filter: in 4 \+ carried 0 is 1 more than out 3 \+ filtered 0 /);
  assert.match(imbalances[1]!, /^all rows: in 4 /);
});

test("a row that is lost on the way from one step to the next is found there", () => {
  const pipeline = run(filtering, 1, 2, 3, 4);
  metricsOf(pipeline, "project").recordsIn--;
  const { imbalances } = ledgerOfPipeline(pipeline);
  assert.ok(imbalances.includes("step project was given 3 items with 3 rows, and took 2 with 3"));
});

test("a row that a window gives twice, or keeps after it has given it, is found", () => {
  const pipeline = run(counting, 2, 3, 4);
  metricsOf(pipeline, "inc_agg_window").passed++;
  assert.match(ledgerOfPipeline(pipeline).imbalances[0]!, / is 1 less than out 3 /);
});

test("counting begins anew with what is held", () => {
  const pipeline = run(counting, 1);
  pipeline.beginCounting();
  pipeline.push([new Row({ a: 5 }, 0)], 0);
  const { rows, imbalances } = ledgerOfPipeline(pipeline);
  assert.deepEqual(imbalances, []);
  assert.deepEqual([rows.in, rows.carried, rows.out, rows.held], [1, 1, 2, 0]);
});

test("the command line shows a ledger line by line, and an imbalance loudly", () => {
  const account = { in: 4, carried: 1, out: 2, filtered: 1, late: 0, dropped: { stopped: 1 }, failed: {}, held: 1 };
  const ledger: RuleLedger = {
    ...emptyLedger("r"),
    since: 1,
    rows: { ...account, made: 3 },
    actions: [{
      action: "sink_mqtt_0",
      results: account,
      messages: { in: 9, carried: 0, sent: 7, failed: { refused: 1 }, dead: 1, dropped: {}, waiting: 0 },
    }],
  };
  assert.equal(
    ledgerText(ledger),
    [
      "WHAT                   IN  CARRIED  OUT  FILTERED  LATE  DROPPED  FAILED  HELD  NOTES",
      "rule: rows             4   1        2    1         0     1        0       1     1 dropped: stopped, 3 made of others",
      "sink_mqtt_0: messages  9   0        7    0         0     0        1       0     1 failed: refused, 1 dead letters",
      "",
    ].join("\n"),
  );
  assert.equal(verdictText(ledger), "rule r balances: every row and message is accounted for\n");
  assert.match(
    verdictText({ ...ledger, balanced: false, imbalances: ["step filter: in 1 is 1 more than out 0"] }),
    /^RULE r DOES NOT BALANCE\..*report it:\n {2}step filter: in 1 is 1 more than out 0\n$/,
  );
  assert.match(verdictText(emptyLedger("r")), /has not run/);
});
