/**
 * Functions that need a running rule: its clock, the external state, system properties.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyedStates } from "../../src/runtime/keyed_states.ts";
import { eventually } from "../eventually.ts";
import { HandClock, settled } from "../hand_clock.ts";
import { type EngineFixture, wireRule, wireStream, withEngine } from "./engine.ts";

/** An engine on a clock that the test moves. */
function withClock(work: (clock: HandClock, fixture: EngineFixture) => Promise<void>): Promise<void> {
  const clock = new HandClock();
  return withEngine((fixture) => work(clock, fixture), { clock });
}

test("delay() holds up its rule: rows wait one behind the other, and those that come meanwhile behind them", () =>
  withClock(async (clock, { engine, streams, wire }) => {
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", "SELECT a, tstamp() AS t FROM s WHERE delay(1000, a) > 0"));
    wire.send('{"a":1}', '{"a":2}');
    await eventually(() => clock.waiting > 0);
    wire.send('{"a":3}');
    await clock.advance(999);
    assert.deepEqual(wire.written, []);
    await clock.advance(1);
    // The batch is delivered when all of it has gone through.
    await clock.advance(1000);
    await eventually(() => wire.written.length === 2);
    await eventually(() => clock.waiting > 0);
    await clock.advance(1000);
    await eventually(() => wire.written.length === 3);
    assert.deepEqual(wire.written, ['[{"a":1,"t":1001000}]', '[{"a":2,"t":1002000}]', '[{"a":3,"t":1003000}]']);
  }));

test("delay() holds up no other rule, and not the end of its own", () =>
  withClock(async (clock, { engine, streams, wire, log }) => {
    streams.execute('CREATE STREAM s () WITH (DATASOURCE="t", FORMAT="json", TYPE="wire", SHARED="true")');
    await engine.rules.create(wireRule("slow", "SELECT delay(3600000, a) AS slow FROM s"));
    await engine.rules.create(wireRule("quick", "SELECT a AS quick FROM s"));
    wire.send('{"a":1}');
    await eventually(() => wire.written.length === 1);
    assert.deepEqual(wire.written, ['[{"quick":1}]']);
    assert.ok(clock.waiting > 0);
    await engine.rules.stop("slow");
    await settled();
    assert.deepEqual(wire.written, ['[{"quick":1}]']);
    assert.ok(
      log.some((line) => line.includes("given up when it stopped") && line.includes("count=1")),
      log.join("\n"),
    );
  }));

test("windows in front of delay() keep the times of their rows", () =>
  withClock(async (clock, { engine, streams, wire }) => {
    streams.execute(wireStream);
    const sql = "SELECT collect(a) AS l, window_end() AS e FROM s GROUP BY TUMBLINGWINDOW(ss, 10)";
    await engine.rules.create(wireRule("r", `${sql} HAVING delay(15000, count(*)) > 0`));
    wire.send('{"a":1}');
    await settled();
    await clock.advance(24_999);
    assert.deepEqual(wire.written, []);
    await clock.advance(1);
    await eventually(() => wire.written.length === 1);
    assert.deepEqual(wire.written, ['[{"e":1010000,"l":[1]}]']);
  }));

test("dedup_trigger() wakes up by the clock", () =>
  withClock(async (clock, { engine, streams, wire }) => {
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", "SELECT id, dedup_trigger(s, e, t, 60000) AS parts FROM s"));
    wire.send('{"id":1,"s":1000000,"e":1005000,"t":1000000}', '{"id":2,"s":1001000,"e":1003000,"t":1000000}');
    await eventually(() => clock.waiting > 0);
    await clock.advance(2999);
    assert.deepEqual(wire.written, []);
    await clock.advance(1);
    await eventually(() => wire.written.length === 1);
    await clock.advance(2000);
    await eventually(() => wire.written.length === 2);
    assert.deepEqual(wire.written, [
      '[{"id":2,"parts":[{"end_key":"1003000","start_key":"1001000"}]}]',
      '[{"id":1,"parts":[{"end_key":"1001000","start_key":"1000000"},{"end_key":"1005000","start_key":"1003000"}]}]',
    ]);
  }));

test("get_keyed_state() sees a change with the next row", () =>
  withEngine(async ({ engine, streams, store, wire }) => {
    const states = new KeyedStates(store);
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", 'SELECT get_keyed_state("limit", "bigint", 5) AS l FROM s'));
    for (const value of [undefined, "9007199254740993", '"7"', "null"]) {
      if (value !== undefined) states.put("limit", value);
      const before = wire.written.length;
      wire.send('{"a":1}');
      await eventually(() => wire.written.length > before);
    }
    states.delete("limit");
    wire.send('{"a":1}');
    await eventually(() => wire.written.length === 5);
    assert.deepEqual(wire.written, ['[{"l":5}]', '[{"l":9007199254740993}]', '[{"l":7}]', "[{}]", '[{"l":5}]']);
  }));

test("props() reads the properties of the configuration", () =>
  withEngine(async ({ engine, streams, wire }) => {
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", 'SELECT props("site") AS s, props("line") / 2 AS l FROM s'));
    wire.send('{"a":1}');
    await eventually(() => wire.written.length === 1);
    assert.deepEqual(wire.written, ['[{"l":3,"s":"north"}]']);
  }, { config: { timezone: "UTC", properties: { site: "north", line: 7 } } }));
