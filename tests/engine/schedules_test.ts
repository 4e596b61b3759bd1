/**
 * Rules that run at certain times, with sources and sinks that are open only then.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { HandClock } from "../hand_clock.ts";
import { wireRule, wireStream, withEngine } from "./engine.ts";

test("a rule runs for its duration, and is started for another", () =>
  withEngine(async ({ engine, streams, store, wire }) => {
    streams.execute(wireStream);
    const begun = Date.now();
    await engine.rules.create(wireRule("r", "SELECT a FROM s", { options: { duration: "400ms" } }));
    assert.equal(engine.rules.status("r").status, "running");
    wire.send('{"a":1}');
    await eventually(() => engine.rules.status("r").status === "stopped");
    assert.ok(Date.now() - begun >= 399, "not before its time");
    assert.equal(engine.rules.status("r").message, "duration terminated");
    assert.equal(JSON.parse(store.get("rule", "r")!).triggered, false);
    assert.deepEqual(wire.written, ['[{"a":1}]']);
    await engine.rules.start("r");
    assert.equal(engine.rules.status("r").status, "running");
    await eventually(() => engine.rules.status("r").status === "stopped");
  }));

test("a rule runs in slot after slot", () =>
  withEngine(async ({ engine, streams, wire }) => {
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", "SELECT a FROM s", { options: { cron: "@every 2s", duration: "1s" } }));
    const status = () => engine.rules.status("r");
    const waiting = "stopped: waiting for next schedule.";
    await eventually(() => status().status === waiting);
    for (let run = 1; run <= 2; run++) {
      await eventually(() => status().status === "running");
      assert.equal(Number(status().nextStartTimestamp) % 2000, 0);
      wire.send(`{"a":${run}}`);
      await eventually(() => wire.written.length === run);
      await eventually(() => status().status === waiting);
      assert.equal(status().message, "schedule terminated");
      const begin = Math.floor(Number(status().lastStartTimestamp) / 2000) * 2000;
      assert.ok(Number(status().lastStopTimestamp) >= begin + 1000, "not before the end of the slot");
    }
    assert.ok(wire.opens >= 4, "source and sink are opened for each run");
    assert.deepEqual(wire.written, ['[{"a":1}]', '[{"a":2}]']);
  }));

test("a rule that fails while it runs gets no more time by starting again", async () => {
  const clock = new HandClock();
  await withEngine(async ({ engine, streams, wire }) => {
    streams.execute(wireStream);
    wire.refusal = "no such topic";
    const options = { duration: "1m", restartStrategy: { attempts: 1 } };
    const rule = wireRule("r", "SELECT a FROM s", { actions: [{ nop: {} }], options });
    await engine.rules.create(rule);
    const state = () => engine.rules.status("r").status;
    await eventually(() => state() === "stopped by error");
    await clock.advance(10_000);
    await eventually(() => wire.opens === 2 && state() === "stopped by error");
    wire.refusal = undefined;
    await clock.advance(49_999);
    await eventually(() => wire.opens === 3 && state() === "running");
    await clock.advance(1);
    await eventually(() => state() === "stopped");
    assert.equal(engine.rules.status("r").message, "duration terminated");

    wire.refusal = "no such topic";
    await engine.rules.start("r");
    await eventually(() => state() === "stopped by error");
    await clock.advance(60_000);
    await eventually(() => state() === "stopped");
    assert.equal(engine.rules.status("r").message, "E403: no such topic", "why it last stopped");
    assert.equal(JSON.parse(engine.rules.get("r")).triggered, false);
  }, { clock });
});
