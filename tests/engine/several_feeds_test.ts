/**
 * Rules over several sources: what the end of one of them, a blocked sink and an answer that is owed mean for the others.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { settled } from "../hand_clock.ts";
import { type ProbeWorld, withProbes } from "../probe_world.ts";

/** Gives a source one batch, and lets the engine take it. */
async function give({ probe }: ProbeWorld, source: string, ...payloads: string[]): Promise<void> {
  probe.give(source, ...payloads);
  await settled();
  await settled();
}

async function withStreams(work: (world: ProbeWorld) => Promise<void>): Promise<void> {
  await withProbes((world) => {
    world.streams.execute('CREATE STREAM other () WITH (TYPE="probe", DATASOURCE="other", FORMAT="json")');
    return work(world);
  });
}

test("a rule over several streams ends when the last of them has, with all that came in its windows", () =>
  withStreams(async (world) => {
    const { engine, probe, clock, create } = world;
    await create(
      "r",
      "SELECT a, b FROM own INNER JOIN other ON own.id = other.id GROUP BY TUMBLINGWINDOW(ss, 10)",
    );
    await settled();
    await give(world, "own", '{"id":1,"a":5}');
    probe.end("own", "no more");
    await settled();
    assert.equal(engine.rules.status("r").status, "running");
    await give(world, "other", '{"id":1,"b":6}');
    probe.end("other", "no more either");
    await eventually(() => engine.rules.status("r").status === "stopped");
    assert.deepEqual(probe.written.r, ['{"a":5,"b":6}']);
    assert.equal(clock.waiting, 0);
  }));

test("while the last results of an ended rule wait for their sink, no further window closes", () =>
  withStreams(async (world) => {
    const { engine, probe, clock, create } = world;
    const release = probe.hold("r");
    await create("r", "SELECT count(*) AS n FROM own GROUP BY TUMBLINGWINDOW(ss, 1)");
    await settled();
    await give(world, "own", '{"id":1}');
    probe.end("own", "no more");
    await settled();
    await clock.advance(5000);
    release();
    await eventually(() => engine.rules.status("r").status === "stopped");
    assert.deepEqual(probe.written.r, ['{"n":1}']);
  }));

test("when another rule reads a shared stream too, what the other stream of a rule brought still waits for the sink", () =>
  withStreams(async (world) => {
    const { probe, create } = world;
    const release = probe.hold("r");
    await create("r", "SELECT a, b FROM own LEFT JOIN shared ON own.id = shared.id GROUP BY COUNTWINDOW(1)");
    await settled();
    await give(world, "own", '{"id":1,"a":5}');
    await create("second", "SELECT b FROM shared");
    const early = [...probe.acknowledged];
    release();
    await eventually(() => probe.acknowledged.length === 1);
    assert.deepEqual(early, []);
  }));

test("a blocked sink holds back every source of a rule, and nothing is lost or comes twice", () =>
  withStreams(async (world) => {
    const { engine, probe, create } = world;
    const release = probe.hold("r");
    const actions = [{ probe: { to: "r", sendSingle: true, bufferLength: 1 } }];
    await create("r", "SELECT a, b FROM own FULL JOIN other ON own.id = other.id GROUP BY COUNTWINDOW(1)", { actions });
    await settled();
    for (let i = 0; i < 6; i++) {
      await give(world, "own", `{"a":${i}}`);
      await give(world, "other", `{"b":${i}}`);
    }
    const status = () => engine.rules.status("r");
    // One batch of each is at hand: the sink has one result, its queue, and what each source has brought since.
    assert.ok(Number(status().source_own_0_records_in_total) < 6);
    assert.ok(Number(status().source_other_0_records_in_total) < 6);
    assert.deepEqual(probe.acknowledged, []);
    release();
    await eventually(() => probe.acknowledged.length === 12);
    const rows = probe.written.r!.map((text) => JSON.parse(text) as { a?: number; b?: number });
    assert.deepEqual(rows.flatMap(({ a }) => a ?? []), [0, 1, 2, 3, 4, 5]);
    assert.deepEqual(rows.flatMap(({ b }) => b ?? []), [0, 1, 2, 3, 4, 5]);
  }));
