/**
 * What rules leave behind when they stop, or while they run for long: no object, no timer, no listener.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { loadPlatform } from "../../src/platform/mod.ts";
import { settled } from "../hand_clock.ts";
import { probeRule, type ProbeWorld, withProbes } from "../probe_world.ts";

/**
 * Gives what collects all garbage at once. To make garbage and wait is not enough: an engine may collect nothing but young
 * objects for as long as it likes, and keep those of stopped rules that were in use when it last did.
 */
async function collector(): Promise<() => void> {
  const { engine, collectGarbage } = await loadPlatform();
  if (engine.name === "bun") return collectGarbage;
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

/** Waits until what `refs` point to is collected, but for `rest` of them that the engine may have on its stack. */
async function collected(refs: readonly WeakRef<object>[], rest: number): Promise<number> {
  const collect = await collector();
  const deadline = Date.now() + 20_000;
  for (;;) {
    // WeakRefs keep what they were asked for until the end of the turn.
    await new Promise((resolve) => setTimeout(resolve, 5));
    collect();
    const alive = refs.filter((ref) => ref.deref() !== undefined).length;
    if (alive <= rest || Date.now() > deadline) return alive;
  }
}

/** Keeps weak references to the signals that the probe's sources and sinks get: feeds and actions hold theirs. */
function watchSignals({ probe }: ProbeWorld): { readonly refs: WeakRef<object>[]; readonly listeners: () => number } {
  const known = new WeakSet<AbortSignal>();
  const refs: WeakRef<object>[] = [];
  let listeners = 0;
  probe.onSignal = (signal) => {
    if (known.has(signal)) return;
    known.add(signal);
    refs.push(new WeakRef(signal));
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners++;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners--;
      removeEventListener.apply(signal, args);
    };
  };
  return { refs, listeners: () => listeners };
}

/** A rule of each kind, by id. */
const rules: Readonly<Record<string, readonly [sql: string, more?: Record<string, unknown>]>> = {
  filters: ["SELECT a FROM own WHERE a > 0"],
  analytic: ["SELECT a, lag(a) AS before FROM own"],
  tumbling: ["SELECT a, count(*) AS n FROM own GROUP BY a, TUMBLINGWINDOW(ss, 10)"],
  sliding: ["SELECT collect(a) AS all FROM own GROUP BY SLIDINGWINDOW(ss, 10)"],
  session: ["SELECT count(*) AS n FROM own GROUP BY SESSIONWINDOW(ss, 10, 5)"],
  joined: ["SELECT own.a, shared.b FROM own LEFT JOIN shared ON own.a = shared.a GROUP BY COUNTWINDOW(3)"],
  shared: ["SELECT a FROM shared"],
  durable: ["SELECT a, lag(a) AS before FROM own", { options: { qos: 1 } }],
  scheduled: ["SELECT a FROM own", { options: { duration: "10h" } }],
};

test("rules that were stopped, replaced or deleted are collected, and no timer of theirs is left", () =>
  withProbes(async (world) => {
    const { engine, probe, clock } = world;
    const { refs } = watchSignals(world);
    // With the first rule that keeps anything, the engine begins to look after what rules keep.
    await engine.rules.create(probeRule("first", "SELECT a FROM own", { options: { qos: 1 } }));
    await settled();
    await engine.rules.delete("first");
    const waiting = clock.waiting;
    const round = async (n: number) => {
      for (const [id, [sql, more]] of Object.entries(rules)) {
        if (n % 2 === 0) await engine.rules.update(id, probeRule(id, sql, more));
        else await engine.rules.restart(id);
      }
      await settled();
      probe.give("own", '{"a":1}', '{"a":2}');
      probe.give("shared", '{"a":1,"b":1}');
      await settled();
    };
    for (let n = 0; n < 30; n++) await round(n);
    for (const id of Object.keys(rules)) await engine.rules.delete(id);
    await settled();
    assert.equal(probe.sources.size, 0);
    assert.equal(clock.waiting, waiting);
    assert.ok(refs.length > 300, `${refs.length} signals were seen`);
    const alive = await collected(refs, refs.length / 20);
    assert.ok(alive <= refs.length / 20, `${alive} of ${refs.length} signals of stopped rules are still held`);
  }));

test("shared streams that were dropped are collected, whatever their names were", () =>
  withProbes(async (world) => {
    const { engine, streams, probe } = world;
    const { refs } = watchSignals(world);
    for (let n = 0; n < 60; n++) {
      const options = `TYPE="probe", DATASOURCE="t", FORMAT="json", SHARED="true"`;
      streams.execute(`CREATE STREAM stream${n} () WITH (${options})`);
      for (const id of ["one", "two"]) await engine.rules.create(probeRule(id, `SELECT a FROM stream${n}`));
      await settled();
      probe.give("t", '{"a":1}');
      await settled();
      for (const id of ["one", "two"]) await engine.rules.delete(id);
      streams.execute(`DROP STREAM stream${n}`);
    }
    assert.ok(refs.length >= 180, `${refs.length} signals were seen`);
    const alive = await collected(refs, refs.length / 20);
    assert.ok(alive <= refs.length / 20, `${alive} of ${refs.length} signals of stopped rules are still held`);
  }));

test("a rule that runs for long leaves no listener per message, nor timer", () =>
  withProbes(async (world) => {
    const { create, probe, clock, engine } = world;
    const { listeners } = watchSignals(world);
    await create("r", "SELECT a, lag(a) AS before FROM own");
    await settled();
    const give = async (count: number) => {
      for (let i = 0; i < count; i++) {
        probe.give("own", '{"a":1}');
        await settled();
      }
    };
    await give(5);
    const before = [listeners(), clock.waiting];
    await give(200);
    assert.deepEqual([listeners(), clock.waiting], before);
    assert.equal(engine.rules.status("r").sink_probe_0_0_records_out_total, 205);
  }));
