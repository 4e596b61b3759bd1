/**
 * What is left out without an error: the status counts it at its node, and the log says why.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { type EngineFixture, wireRule, wireStream, withEngine } from "./engine.ts";

function droppedOf({ engine }: EngineFixture, id: string): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(engine.rules.status(id)).filter(([key]) => key.endsWith("_0_dropped_total")),
  );
}

function complaints({ log }: EngineFixture): string[] {
  return log.filter((line) => line.startsWith("level=warn"));
}

test("late rows are counted at the watermark and told once a batch", () =>
  withEngine(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute(wireStream.replace("WITH (", `WITH (TIMESTAMP="ts", `));
    await engine.rules.create(wireRule("r", "SELECT ts FROM s", { options: { isEventTime: true, lateTolerance: 0 } }));
    wire.send('{"ts":5000}', '{"ts":1000}', '{"ts":2000}', '{"ts":6000}');
    await eventually(() => wire.written.length === 2);
    assert.deepEqual(droppedOf(fixture, "r"), { op_3_watermark_0_dropped_total: 2, sink_wire_0_0_dropped_total: 0 });
    assert.deepEqual(complaints(fixture), [
      'level=warn msg="Rows were dropped" rule=r reason=late count=2 node=watermark',
    ]);
  }));

test("rows of windows that are open when the rule stops are counted and told", () =>
  withEngine(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute(wireStream);
    for (const [id, sql] of [["rows", "SELECT *"], ["groups", "SELECT count(*) AS c"]] as const) {
      await engine.rules.create(wireRule(id, `${sql} FROM s GROUP BY TUMBLINGWINDOW(hh, 1)`));
      const node = id === "rows" ? "op_3_window" : "op_3_inc_agg_window";
      wire.send('{"a":1}', '{"a":2}', '{"a":3}');
      await eventually(() => engine.rules.status(id)[`${node}_0_records_in_total`] === 3);
      await engine.rules.stop(id);
      assert.equal(droppedOf(fixture, id)[`${node}_0_dropped_total`], 3);
      assert.deepEqual(
        complaints(fixture).splice(0).at(-1),
        `level=warn msg="Rows that the rule held were given up when it stopped" rule=${id} count=3`,
      );
    }
  }));

test("results that were not sent before the rule stopped are counted and told", () =>
  withEngine(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute(wireStream);
    wire.held = new Promise(() => {});
    await engine.rules.create(wireRule("r", "SELECT a FROM s", { options: { forceExitTimeout: 10 } }));
    wire.send('{"a":1}', '{"a":2}');
    await eventually(() => engine.rules.status("r").sink_wire_0_0_records_in_total === 2);
    await engine.rules.stop("r");
    assert.deepEqual(droppedOf(fixture, "r"), { sink_wire_0_0_dropped_total: 2 });
    assert.deepEqual(complaints(fixture), [
      'level=warn msg="Results were not sent before the rule stopped" rule=r action=wire count=2',
    ]);
  }));

test("rows of a shared stream that wait for a rule when it stops are counted and told", () =>
  withEngine(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute(wireStream.replace("WITH (", 'WITH (SHARED="true", '));
    wire.held = new Promise(() => {});
    const actions = [{ wire: { bufferLength: 1 } }];
    await engine.rules.create(wireRule("other", "SELECT a FROM s", { actions: [{ nop: {} }] }));
    await engine.rules.create(wireRule("r", "SELECT a FROM s", { actions, options: { forceExitTimeout: 10 } }));
    for (let a = 0; a < 4; a++) wire.send(`{"a":${a}}`);
    await eventually(() => engine.rules.status("other").sink_nop_0_0_records_out_total === 4);
    await engine.rules.stop("r");
    assert.deepEqual(droppedOf(fixture, "r"), { source_s_0_dropped_total: 3, sink_wire_0_0_dropped_total: 1 });
    assert.deepEqual(complaints(fixture), [
      'level=warn msg="Rows were dropped" rule=r reason=stopped count=3 node=source',
      'level=warn msg="Results were not sent before the rule stopped" rule=r action=wire count=1',
    ]);
  }));
