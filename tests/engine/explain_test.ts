/**
 * EXPLAIN of a running rule: the plan as a tree, with what each step has done.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ExplainedStep } from "../../src/runtime/explain_tree.ts";
import { eventually } from "../eventually.ts";
import { wireRule, wireStream, withEngine } from "./engine.ts";

function stepsOf(step: ExplainedStep): ExplainedStep[] {
  return [step, ...step.inputs.flatMap(stepsOf)];
}

test("each step of a running rule tells rows, time, state and watermark", () =>
  withEngine(async ({ engine, streams, wire }) => {
    streams.execute(wireStream.replace("WITH (", `WITH (TIMESTAMP="ts", `));
    const sql = "SELECT count(*) AS n, lag(v) AS p FROM s WHERE v > 1 GROUP BY TUMBLINGWINDOW(ss, 1)";
    await engine.rules.create(wireRule("r", sql, { options: { isEventTime: true, lateTolerance: 0 } }));
    wire.send('{"ts":1000,"v":1}', '{"ts":1500,"v":2}', '{"ts":1200,"v":5}', '{"ts":2100,"v":3}', '{"ts":2300,"v":4}');
    await eventually(() => wire.written.length === 1);
    const { state, since, root } = await engine.rules.explainTree("r");
    assert.equal(state, "running");
    assert.ok(since > 0);
    const steps = new Map(stepsOf(root).map(({ step, work }) => [step, work!]));
    assert.deepEqual([...steps.keys()], ["select", "window", "analytic", "event time", "stream"]);
    assert.equal(steps.get("stream")!.in, 5);
    assert.deepEqual([steps.get("event time")!.dropped, steps.get("event time")!.watermark], [1, 2300]);
    assert.deepEqual([steps.get("analytic")!.in, steps.get("analytic")!.out], [4, 4]);
    const window = steps.get("window")!;
    assert.deepEqual([window.in, window.out, window.heldRows], [4, 1, 2]);
    assert.ok(window.stateBytes! > 10);
    assert.deepEqual([steps.get("select")!.in, steps.get("select")!.out], [1, 1]);
    assert.ok([...steps.values()].every(({ spentMs }) => spentMs >= 0));

    await engine.rules.stop("r");
    const stopped = await engine.rules.explainTree("r");
    assert.deepEqual([stopped.state, stopped.since, stopped.root.work], ["stopped", 0, undefined]);
  }));

test("the state of a window that keeps rows is as large as they are, that of running aggregates is not", () =>
  withEngine(async ({ engine, streams, wire }) => {
    streams.execute(wireStream.replace("WITH (", 'WITH (SHARED="true", '));
    const create = (id: string, items: string) =>
      engine.rules.create(wireRule(id, `SELECT ${items} FROM s GROUP BY TUMBLINGWINDOW(hh, 1)`));
    await create("rows", "*");
    await create("groups", "count(*) AS n");
    wire.send(...Array.from({ length: 10_001 }, (_, v) => `{"v":${v}}`));
    const windowOf = async (id: string) =>
      stepsOf((await engine.rules.explainTree(id)).root).find(({ step }) => step === "window")!.work!;
    await eventually(async () => {
      return (await windowOf("groups")).heldRows === 10_001 && (await windowOf("rows")).heldRows === 10_001;
    });
    const { stateBytes } = await windowOf("rows");
    assert.ok(stateBytes! > 1_000_000 && stateBytes! < 3_000_000);
    assert.ok((await windowOf("groups")).stateBytes! < 1000);
  }));
