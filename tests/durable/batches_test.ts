/**
 * Messages that are gathered into batches, with the settings that their rows give them: nothing is lost of a batch that is not
 * full, or that the sink cannot take.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { World } from "./world.ts";

const sql = "SELECT n FROM s";
const three = [{ tape: { batchSize: 3 } }];

function rows(from: number, to: number): { n: bigint; t: string }[][] {
  return Array.from(
    { length: to - from + 1 },
    (_, i) => [{ n: BigInt(from + i), t: (from + i) % 2 === 0 ? "a" : "b" }],
  );
}

function texts(world: World): string[] {
  return world.tape.received.map(({ text }) => text);
}

test("a batch that is not full waits in the outbox, over a kill", () =>
  World.with(async (world) => {
    await world.define(sql, { qos: 1 }, "r", three);
    world.tape.add(...rows(1, 5));
    await eventually(() => world.tape.received.length === 1);
    await eventually(() => world.delivery.outbox("r", "0_tape").counts().rows === 2);
    assert.equal(world.tape.acks.length, 5, "what is in the outbox need not come again");
    world.kill();
    await world.start();
    world.tape.add(...rows(6, 6));
    await eventually(() => world.tape.received.length === 2);
    assert.deepEqual(texts(world), ['[{"n":1},{"n":2},{"n":3}]', '[{"n":4},{"n":5},{"n":6}]']);
    await eventually(() => world.delivery.outbox("r", "0_tape").counts().rows === 0);
  }));

test("batches of a sink that is away come when it is back, in their order", () =>
  World.with(async (world) => {
    world.tape.away = true;
    await world.define(sql, { qos: 1 }, "r", [{ tape: { batchSize: 2, topic: "{{mod .n 2}}" } }]);
    world.tape.add(...rows(1, 4));
    await eventually(() => world.delivery.outbox("r", "0_tape").counts().rows === 4);
    await world.stop();
    await world.start();
    world.tape.away = false;
    await eventually(() => world.tape.received.length === 4, 20_000);
    assert.deepEqual(texts(world), ['[{"n":1}]', '[{"n":2}]', '[{"n":3}]', '[{"n":4}]']);
    const topics = world.tape.received.map(({ topic }) => topic);
    assert.equal(topics[0], topics[2]);
    assert.notEqual(topics[0], topics[1]);
  }));

test("the messages of a batch that the sink refuses are dead letters each", () =>
  World.with(async (world) => {
    world.tape.refuses = (text) => text.includes('"n":2');
    await world.define(sql, { qos: 1 }, "r", three);
    world.tape.add(...rows(1, 6));
    await eventually(() => world.tape.received.length === 1);
    await eventually(() => world.delivery.outbox("r", "0_tape").counts().deadRows === 3);
    assert.deepEqual(texts(world), ['[{"n":4},{"n":5},{"n":6}]']);
    assert.equal(world.engine.rules.status("r").sink_tape_0_0_records_out_total, 3);
  }));

test("an outbox that is smaller than a batch sends what it holds", () =>
  World.with(async (world) => {
    const small = { batchSize: 10, bufferPageSize: 1, memoryCacheThreshold: 1, maxDiskCache: 4 };
    await world.define(sql, { qos: 1 }, "r", [{ tape: small }]);
    world.tape.add(...rows(1, 12));
    await eventually(() => texts(world).join().includes('"n":8'), 20_000);
    const got = texts(world).flatMap((text) => (JSON.parse(text) as { n: number }[]).map(({ n }) => n));
    assert.deepEqual(got, got.map((_, i) => i + 1));
  }));

test("with a cache a batch waits on disk", () =>
  World.with(async (world) => {
    world.tape.away = true;
    const cached = { batchSize: 3, enableCache: true, bufferPageSize: 2, memoryCacheThreshold: 2, topic: "{{.t}}x" };
    await world.define("SELECT * FROM s", { qos: 0 }, "r", [{ tape: cached }]);
    world.tape.add(...rows(1, 12));
    await eventually(() => world.engine.rules.status("r").sink_tape_0_0_buffer_length === 12);
    await world.stop();
    world.tape.away = false;
    // A rule with qos 0 reads it from the beginning.
    world.tape.batches.length = 0;
    await world.start();
    await eventually(() => world.tape.received.length === 12, 20_000);
    assert.deepEqual(
      world.tape.received.map(({ topic, text }) => `${topic} ${text}`),
      Array.from({ length: 12 }, (_, i) => {
        const t = (i + 1) % 2 === 0 ? "a" : "b";
        return `${t}x [{"n":${i + 1},"t":"${t}"}]`;
      }),
    );
  }));
