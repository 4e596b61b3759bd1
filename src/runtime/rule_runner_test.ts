import assert from "node:assert/strict";
import { test } from "node:test";
import { settled } from "../../tests/hand_clock.ts";
import { probeRule, type ProbeWorld, probeWorld, withProbes } from "../../tests/probe_world.ts";
import type { Checkpoint } from "../store/delivery_store.ts";
import { MemoryStore } from "../store/memory.ts";
import { MemoryDelivery } from "../store/memory_delivery.ts";
import { StoreError } from "../store/store_error.ts";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const waiting = "stopped: waiting for next schedule.";

/** 2026-01-05, a Monday, at this hour. */
function at(hours: number): number {
  return Date.UTC(2026, 0, 5) + hours * hour;
}

const mornings = { options: { cron: "0 8 * * *", duration: "2h" } };
const sql = "SELECT a FROM own";
const ownStream = 'CREATE STREAM own () WITH (TYPE="probe", DATASOURCE="own", FORMAT="json")';

/** State, message and next start of rule `r`. */
function stateOf({ engine }: ProbeWorld): [unknown, unknown, unknown] {
  const { status, message, nextStartTimestamp } = engine.rules.status("r");
  return [status, message, nextStartTimestamp];
}

function shallRun({ engine }: ProbeWorld): boolean {
  return JSON.parse(engine.rules.get("r")).triggered ?? true;
}

function ranges(...all: readonly [begin: number, end: number][]): Record<string, unknown> {
  return {
    options: { cronDatetimeRange: all.map(([begin, end]) => ({ beginTimestamp: at(begin), endTimestamp: at(end) })) },
  };
}

test("a rule runs in the slots of its schedule, to the moment", () =>
  withProbes(async (world) => {
    const { create, clock, probe } = world;
    await create("r", sql, mornings);
    assert.deepEqual(stateOf(world), [waiting, "", at(8)]);
    assert.equal(probe.sources.size, 0);
    await clock.advance(hour - 1);
    assert.deepEqual(stateOf(world), [waiting, "", at(8)]);
    await clock.advance(1);
    assert.deepEqual(stateOf(world), ["running", "", at(32)]);
    assert.equal(world.engine.rules.status("r").lastStartTimestamp, at(8));
    probe.give("own", '{"a":1}');
    await clock.advance(2 * hour - 1);
    assert.deepEqual(probe.written.r, ['{"a":1}']);
    assert.deepEqual(stateOf(world), ["running", "", at(32)]);
    await clock.advance(1);
    assert.deepEqual(stateOf(world), [waiting, "schedule terminated", at(32)]);
    assert.equal(world.engine.rules.status("r").lastStopTimestamp, at(10));
    assert.equal(world.engine.rules.status("r").source_own_0_records_in_total, 1, "the counters of the last run stay");
    assert.equal(probe.sources.size, 0);
    await clock.advance(22 * hour);
    assert.deepEqual(stateOf(world), ["running", "", at(56)]);
    assert.equal(shallRun(world), true);
  }, { now: at(7) }));

test("the hours of a schedule are those of the configured zone", () =>
  withProbes(async (world) => {
    await world.create("r", sql, mornings);
    assert.deepEqual(stateOf(world), [waiting, "", at(23)]);
  }, { now: at(7), config: { timezone: "Asia/Tokyo" } }));

test("a rule that is created inside a slot runs for the rest of it", () =>
  withProbes(async (world) => {
    await world.create("r", sql, mornings);
    assert.deepEqual(stateOf(world), ["running", "", at(32)]);
    await world.clock.advance(hour);
    assert.deepEqual(stateOf(world), [waiting, "schedule terminated", at(32)]);
  }, { now: at(9) }));

test("slots that overlap are one run", () =>
  withProbes(async (world) => {
    await world.create("r", sql, { options: { cron: "0 * * * *", duration: "90m" } });
    await world.clock.advance(5 * hour);
    assert.deepEqual(stateOf(world), ["running", "", at(13)]);
    assert.equal(world.engine.rules.status("r").lastStartTimestamp, at(7));
  }, { now: at(7) }));

test("a stop takes a rule out of its schedule until it is started", () =>
  withProbes(async (world) => {
    const { create, clock, engine } = world;
    await create("r", sql, mornings);
    await engine.rules.stop("r");
    assert.deepEqual(stateOf(world), ["stopped", "canceled manually", 0]);
    assert.equal(clock.waiting, 0);
    await clock.advance(2 * hour);
    assert.deepEqual(stateOf(world), ["stopped", "canceled manually", 0]);
    await engine.rules.start("r");
    assert.deepEqual(stateOf(world), ["running", "", at(32)], "a slot is on");
    await engine.rules.stop("r");
    assert.deepEqual(stateOf(world), ["stopped", "canceled manually", 0]);
    await clock.advance(2 * hour);
    await engine.rules.start("r");
    assert.deepEqual(stateOf(world), [waiting, "canceled manually", at(32)]);
    await engine.rules.restart("r");
    assert.deepEqual(stateOf(world), [waiting, "canceled manually", at(32)]);
    await engine.rules.start("r");
    await clock.advance(21 * hour);
    assert.deepEqual(stateOf(world), ["running", "", at(56)]);
    await engine.rules.delete("r");
    assert.equal(clock.waiting, 0);
  }, { now: at(7) }));

test("a rule that shall not run does not start in its slots", () =>
  withProbes(async (world) => {
    await world.create("r", sql, { ...mornings, triggered: false });
    assert.deepEqual(stateOf(world), ["stopped", "", 0]);
    await world.clock.advance(2 * day);
    assert.deepEqual(stateOf(world), ["stopped", "", 0]);
  }, { now: at(7) }));

test("an agent goes on with the schedules that it finds", async () => {
  const store = new MemoryStore();
  const first = probeWorld({ store, now: at(9) });
  first.streams.execute(ownStream);
  await first.create("r", sql, mornings);
  await first.create("out", sql, mornings);
  await first.engine.rules.stop("out");
  await first.engine.close();
  assert.equal(first.clock.waiting, 0, "nothing is left of a closed engine");
  assert.equal(first.probe.sources.size, 0);

  for (const [now, state] of [[at(9.5), "running"], [at(11), waiting], [at(33), "running"]] as const) {
    const next = probeWorld({ store, now });
    await next.engine.start();
    assert.equal(next.engine.rules.status("r").status, state);
    assert.equal(next.engine.rules.status("out").status, "stopped");
    if (now === at(9.5)) {
      await next.clock.advance(hour / 2);
      assert.deepEqual(stateOf(next), [waiting, "schedule terminated", at(32)], "the slot ends when it would have");
    }
    await next.engine.close();
  }
});

test("an update takes effect at once, in and out of slots", () =>
  withProbes(async (world) => {
    const { create, clock, engine, probe } = world;
    await create("r", sql, mornings);
    await engine.rules.update("r", probeRule("r", "SELECT a AS b FROM own", mornings));
    assert.deepEqual(stateOf(world), ["running", "", at(32)]);
    await settled();
    probe.give("own", '{"a":1}');
    await settled();
    assert.deepEqual(probe.written.r, ['{"b":1}']);
    const noons = { options: { cron: "0 12 * * *", duration: "1h" } };
    await engine.rules.update("r", probeRule("r", sql, noons));
    assert.deepEqual(stateOf(world), [waiting, "stopped by update", at(12)]);
    await clock.advance(3 * hour);
    assert.deepEqual(stateOf(world), ["running", "", at(36)]);
    await engine.rules.update("r", probeRule("r", sql));
    assert.deepEqual(stateOf(world), ["running", "", 0]);
    assert.equal(clock.waiting, 0, "no timer of the schedule is left");
    await engine.rules.update("r", probeRule("r", sql, { ...noons, triggered: false }));
    assert.deepEqual(stateOf(world), ["stopped", "stopped by update", 0]);
    const wrong = probeRule("r", sql, { options: { cron: "0 12 * *", duration: "1h" } });
    await assert.rejects(engine.rules.update("r", wrong), /E403: .*five fields/);
  }, { now: at(9) }));

test("a rule follows a clock that is set, ahead and back, within the patrol's interval", () =>
  withProbes(async (world) => {
    const { create, clock } = world;
    await create("r", sql, mornings);
    assert.deepEqual(stateOf(world), ["running", "", at(32)]);
    clock.jump(2 * hour);
    assert.equal(stateOf(world)[0], "running", "no timer has seen it yet");
    await clock.advance(10 * second);
    assert.deepEqual(stateOf(world), [waiting, "schedule terminated", at(32)]);
    clock.jump(-2 * hour);
    await clock.advance(10 * second);
    assert.deepEqual(stateOf(world), ["running", "", at(32)]);
    clock.jump(-day);
    await clock.advance(10 * second);
    assert.deepEqual(stateOf(world), ["running", "", at(8)], "another slot, yet it may run");
    clock.jump(2 * day);
    await clock.advance(10 * second);
    assert.deepEqual(stateOf(world), ["running", "", at(56)]);
    clock.jump(-4 * hour);
    await clock.advance(10 * second);
    assert.deepEqual(stateOf(world), [waiting, "schedule terminated", at(32)]);
    clock.jump(day);
    await clock.advance(10 * second);
    assert.deepEqual(stateOf(world), [waiting, "schedule terminated", at(56)]);
  }, { now: at(9) }));

test("rulePatrolInterval bounds how late a rule follows", () =>
  withProbes(async (world) => {
    await world.create("r", sql, mornings);
    world.clock.jump(2 * hour);
    await world.clock.advance(second - 1);
    assert.equal(stateOf(world)[0], "running");
    await world.clock.advance(1);
    assert.equal(stateOf(world)[0], waiting);
  }, { now: at(9), config: { rulePatrolInterval: second } }));

test("without cron the ranges are the slots, and after the last there is nothing to wait for", () =>
  withProbes(async (world) => {
    const { create, clock } = world;
    await create("r", sql, ranges([8, 9], [20, 21]));
    assert.deepEqual(stateOf(world), [waiting, "", at(8)]);
    await clock.advance(hour);
    assert.deepEqual(stateOf(world), ["running", "", at(20)]);
    await clock.advance(hour);
    assert.deepEqual(stateOf(world), [waiting, "schedule terminated", at(20)]);
    await clock.advance(11 * hour);
    assert.deepEqual(stateOf(world), ["running", "", 0]);
    await clock.advance(hour);
    assert.deepEqual(stateOf(world), ["stopped", "schedule terminated", 0]);
    assert.equal(shallRun(world), true);
    clock.jump(-hour);
    await clock.advance(10 * second);
    assert.deepEqual(stateOf(world), ["running", "", 0], "the clock was wrong before");
  }, { now: at(7) }));

test("a rule whose ranges are past never starts", () =>
  withProbes(async (world) => {
    await world.create("r", sql, ranges([1, 2]));
    assert.deepEqual(stateOf(world), ["stopped", "", 0]);
    await world.engine.rules.start("r");
    await world.clock.advance(day);
    assert.deepEqual(stateOf(world), ["stopped", "", 0]);
  }, { now: at(7) }));

test("a rule with a duration alone runs once for that long", () =>
  withProbes(async (world) => {
    const { create, clock, engine } = world;
    await create("r", sql, { options: { duration: "1h" } });
    assert.deepEqual(stateOf(world), ["running", "", 0]);
    clock.jump(day);
    await clock.advance(hour - 1);
    assert.deepEqual(stateOf(world), ["running", "", 0], "the clock does not matter");
    await clock.advance(1);
    assert.deepEqual(stateOf(world), ["stopped", "duration terminated", 0]);
    assert.equal(shallRun(world), false);
    assert.equal(clock.waiting, 0);

    await engine.rules.start("r");
    await clock.advance(hour / 2);
    await engine.rules.start("r");
    await clock.advance(hour / 2);
    assert.deepEqual(stateOf(world), ["stopped", "duration terminated", 0], "the start of a running rule is nothing");
    await engine.rules.start("r");
    await clock.advance(hour / 2);
    await engine.rules.restart("r");
    await clock.advance(hour / 2);
    assert.deepEqual(stateOf(world), ["running", "", 0], "a restart gives it the whole time");
    await engine.rules.stop("r");
    await clock.advance(day);
    assert.deepEqual(stateOf(world), ["stopped", "canceled manually", 0]);
  }, { now: at(7) }));

test("a duration with ranges limits the run in each of them", () =>
  withProbes(async (world) => {
    const { options } = ranges([8, 10], [20, 22]) as { options: object };
    await world.create("r", sql, { options: { ...options, duration: "1h" } });
    await world.clock.advance(2 * hour);
    assert.deepEqual(stateOf(world), [waiting, "duration terminated", at(20)]);
    await world.clock.advance(11.5 * hour);
    assert.deepEqual(stateOf(world), ["running", "", 0]);
    await world.clock.advance(hour / 2);
    assert.deepEqual(stateOf(world), ["stopped", "duration terminated", 0]);
    assert.equal(shallRun(world), false);
  }, { now: at(7) }));

test("a rule whose sources end in a slot reads them again in the next, and stops for good after the last", () =>
  withProbes(async (world) => {
    const { create, clock, probe, engine } = world;
    await create("r", sql, ranges([8, 10], [20, 22]));
    await clock.advance(hour);
    probe.end("own", "file ends");
    await clock.advance(minute);
    assert.deepEqual(stateOf(world), [waiting, "done: file ends", at(20)]);
    assert.equal(shallRun(world), true);
    await clock.advance(hour);
    assert.deepEqual(stateOf(world), [waiting, "done: file ends", at(20)], "not again in the same slot");
    await engine.rules.start("r");
    assert.deepEqual(stateOf(world), ["running", "", at(20)], "unless somebody wants it");
    await clock.advance(12 * hour);
    assert.equal(stateOf(world)[0], "running");
    probe.end("own", "file ends");
    await clock.advance(minute);
    assert.deepEqual(stateOf(world), ["stopped", "done: file ends", 0]);
    assert.equal(shallRun(world), false);
    assert.equal(clock.waiting, 0);
  }, { now: at(7) }));

test("a rule that fails in its slot is tried in the next one, or at each patrol where its strategy says so", () =>
  withProbes(async ({ create, clock, streams, engine }) => {
    const options = { ...mornings.options, restartStrategy: { attempts: 1 } };
    await create("once", sql, mornings);
    await create("again", sql, { options });
    streams.execute("DROP STREAM own");
    const states = () => ["once", "again"].map((id) => engine.rules.status(id).status);
    await clock.advance(hour);
    assert.deepEqual(states(), ["stopped by error", "stopped by error"]);
    assert.equal(engine.rules.status("once").nextStartTimestamp, at(32));
    await clock.advance(minute);
    streams.execute(ownStream);
    await clock.advance(10 * second);
    assert.deepEqual(states(), ["stopped by error", "running"]);
    await clock.advance(2 * hour);
    assert.deepEqual(states(), [waiting, waiting]);
    await clock.advance(22 * hour);
    assert.deepEqual(states(), ["running", "running"]);
  }, { now: at(7) }));

test("the duration of a rule that cannot start yet counts from its first start", () =>
  withProbes(async (world) => {
    const { create, clock, streams, engine, logged } = world;
    const options = { duration: "1m", restartStrategy: { attempts: 1 } };
    await create("r", sql, { options, triggered: false });
    streams.execute("DROP STREAM own");
    await engine.rules.start("r");
    await clock.advance(25 * second);
    assert.equal(stateOf(world)[0], "stopped by error");
    assert.equal(logged.filter((line) => line.rule === "r").length, 3, "one try each ten seconds");
    streams.execute(ownStream);
    await clock.advance(5 * second);
    assert.equal(stateOf(world)[0], "running");
    await clock.advance(minute);
    assert.deepEqual(stateOf(world), ["stopped", "duration terminated", 0]);
  }, { now: at(7) }));

test("a command that comes while a slot ends has its turn after it", () =>
  withProbes(async (world) => {
    const { create, clock, engine, probe } = world;
    await create("r", sql, mornings);
    await settled();
    const release = probe.hold("r");
    probe.give("own", '{"a":1}');
    await clock.advance(hour);
    assert.equal(stateOf(world)[0], "stopping", "it still writes");
    const stopping = engine.rules.stop("r");
    const starting = engine.rules.start("r");
    release();
    await Promise.all([stopping, starting]);
    assert.deepEqual(probe.written.r, ['{"a":1}']);
    assert.deepEqual(stateOf(world), [waiting, "canceled manually", at(32)]);
    assert.equal(clock.waiting, 1);
  }, { now: at(9) }));

test("a definition that cannot be stored as done ends all the same", () =>
  withProbes(async (world) => {
    const { create, clock, store, logged } = world;
    await create("r", sql, { options: { duration: "1s" } });
    const { put } = store;
    store.put = () => {
      throw new Error("no space left");
    };
    await clock.advance(second);
    store.put = put;
    assert.deepEqual(stateOf(world), ["stopped", "duration terminated", 0]);
    assert.ok(logged.some((line) => line.rule === "r" && String(line.reason).includes("no space left")));
  }, { now: at(7) }));

/** Its first reads of a checkpoint fail. */
class Unreadable extends MemoryDelivery {
  failures = 2;

  override checkpoint(rule: string): Checkpoint | undefined {
    if (this.failures-- > 0) throw new StoreError("read a checkpoint", new Error("disk I/O error"));
    return super.checkpoint(rule);
  }
}

test("a rule whose state cannot be read starts again by itself, until it can", () =>
  withProbes(async (world) => {
    const { create, clock, probe } = world;
    await create("r", sql, { options: { qos: 1 } });
    await settled();
    const [state, message] = stateOf(world);
    assert.equal(state, "stopped by error");
    assert.match(String(message), /^E604: .*disk I\/O error/);
    await clock.advance(10 * second);
    assert.equal(stateOf(world)[0], "stopped by error");
    await clock.advance(10 * second);
    assert.deepEqual(stateOf(world), ["running", "", 0]);
    probe.give("own", '{"a":1}');
    for (let turn = 0; turn < 5; turn++) await settled();
    assert.deepEqual(probe.written.r, ['{"a":1}']);
  }, { delivery: new Unreadable() }));
