import assert from "node:assert/strict";
import { test } from "node:test";
import type { RowError } from "../../diagnostics/row_error.ts";
import type { DelayPlan } from "../../sql/plan.ts";
import { NodeMetrics } from "../../telemetry/node_metrics.ts";
import { Row } from "../../value/row.ts";
import type { Struct } from "../../value/value.ts";
import { planOf } from "../statement_fixture.ts";
import { DelayOperator } from "./delay.ts";

/** The operator, with sleeps that the test ends, and what came out of it. */
function setUp() {
  const out: string[] = [];
  const sleeps: { readonly ms: number; readonly end: () => void }[] = [];
  const { root } = planOf("SELECT delay(d, a) AS a FROM demo");
  assert.ok(root.kind === "project" && root.input.kind === "delay");
  const plan: DelayPlan = root.input;
  const context = {
    rule: {
      ruleId: "r",
      ruleStart: 0,
      now: 0,
      timezone: "UTC",
      random: () => 0,
      sleep: (ms: number) => new Promise<void>((end) => void sleeps.push({ ms, end })),
    },
    changingSlots: [],
    metrics: new NodeMetrics(),
    fail: (error: unknown) => void out.push(`! ${(error as RowError).code}`),
    drop: assert.fail as () => never,
  };
  const operator = new DelayOperator(plan, context, {
    push: ({ rows }) => void out.push(rows.map((row) => row.values.a).join("+")),
    advance: ({ processing }) => void out.push(`@${processing}`),
  });
  const push = (...rows: Struct[]) =>
    operator.push({ rows: rows.map((values) => new Row(values, 0)), window: undefined });
  const advance = (processing: number) => operator.advance({ processing, watermark: -Infinity });
  /** Ends the sleep that is on, and lets what waits for it go on. */
  const wake = async () => {
    const { ms, end } = sleeps.shift()!;
    end();
    await new Promise((resolve) => setTimeout(resolve, 0));
    return ms;
  };
  return { operator, out, sleeps, push, advance, wake };
}

test("DelayOperator keeps the order of rows, lists and time", async () => {
  const { operator, out, sleeps, push, advance, wake } = setUp();
  push({ a: 1, d: 10 }, { a: 2 }, { a: 3, d: 20 });
  advance(5);
  operator.push({
    rows: [new Row({ a: 4, d: 1 }, 0), new Row({ a: 5, d: 2 }, 0)],
    window: { start: 0, end: 9, trigger: 9 },
  });
  advance(9);
  push({ a: 6 });
  assert.deepEqual(out, []);
  assert.equal(operator.held(), 5);
  assert.equal(await wake(), 10);
  assert.deepEqual(out.splice(0), ["1", "2"]);
  assert.equal(await wake(), 20);
  assert.deepEqual(out.splice(0), ["3", "@5"]);
  assert.equal(await wake(), 3);
  assert.deepEqual(out, ["4+5", "@9", "6"]);
  assert.equal(sleeps.length, 0);
  assert.equal(operator.settled(), undefined);
  assert.equal(operator.held(), 0);
});

test("settled() of DelayOperator resolves when all has gone through", async () => {
  const { operator, push, wake } = setUp();
  push({ a: 1, d: 10 }, { a: 2, d: 10 });
  let done = false;
  const settled = operator.settled()!.then(() => done = true);
  await wake();
  assert.equal(done, false);
  await wake();
  await settled;
  assert.ok(done);
});

test("DelayOperator fails a row that says no time, and goes on with the next", async () => {
  const { out, push, wake } = setUp();
  push({ a: 1, d: 10 }, { a: 2, d: "x" }, { a: 3, d: -1 }, { a: 4, d: null });
  await wake();
  assert.deepEqual(out, ["1", "! E506", "! E506", "4"]);
});
