/**
 * Rules that keep what they do, on a stream that they share.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { World } from "./world.ts";

const rows = (from: number, count: number) => Array.from({ length: count }, (_, i) => ({ n: from + i }));

/** Nobody listens there. The outbox takes one batch, and then another one only when it is empty. */
const dead = { mqtt: { server: "tcp://127.0.0.1:1", topic: "x", qos: 1, maxDiskCache: 2, bufferPageSize: 1 } };

async function withBlocked(work: (world: World) => Promise<void>): Promise<void> {
  await World.with(async (world) => {
    world.streams.execute('CREATE STREAM s () WITH (DATASOURCE="t", TYPE="tape", SHARED="true")');
    await world.define("SELECT n FROM s", { qos: 1 }, "blocked", [dead]);
    await world.define("SELECT n FROM s", { qos: 1 }, "well");
    world.tape.add(rows(0, 2), rows(2, 2));
    await eventually(() => /is full/.test(String(world.engine.rules.status("blocked").delivery_trouble)));
    await eventually(() => world.tape.received.length === 4);
    assert.deepEqual(world.tape.acks, [0], "the second batch waits for the rule that is blocked");
    await work(world);
  });
}

test("what a stopped rule could not keep holds up nobody else on its stream", () =>
  withBlocked(async (world) => {
    const { tape, engine } = world;
    await engine.rules.stop("blocked");
    await eventually(() => tape.acks.includes(1));
    tape.add(rows(4, 2));
    await eventually(() => tape.received.length === 6);
    await eventually(() => tape.acks.includes(2));
    assert.deepEqual(tape.acks, [0, 1, 2]);
    assert.ok(world.log.some((line) => line.includes("Batches of a shared stream were given up")));
  }));

test("what a rule could not keep is not acknowledged when the whole agent stops", () =>
  withBlocked(async (world) => {
    await world.stop();
    assert.deepEqual(world.tape.acks, [0]);
    await world.start();
  }));
