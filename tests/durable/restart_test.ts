import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { World } from "./world.ts";

const rows = (from: number, count: number) => Array.from({ length: count }, (_, i) => ({ n: from + i }));

test("a killed rule goes on with its windows, and gives each result once by its id", () =>
  World.with(async (world) => {
    const { tape } = world;
    await world.define("SELECT count(*) AS c, sum(n) AS s FROM s GROUP BY COUNTWINDOW(10)", { qos: 2 });
    tape.add(rows(0, 7), rows(7, 7));
    await eventually(() => tape.received.length === 1);
    await eventually(() => tape.acknowledged[0] === 2);
    world.kill();
    await world.start();
    tape.add(rows(14, 7));
    await eventually(() => tape.once().length === 2);
    assert.deepEqual(tape.once(), ['[{"c":10,"s":45}]', '[{"c":10,"s":145}]']);
    assert.deepEqual(tape.begun, [undefined, "2"]);
  }));

test("analytic functions go on after a kill and after a stop", () =>
  World.with(async (world) => {
    const { tape } = world;
    await world.define("SELECT n, lag(n) AS before FROM s", { qos: 1 });
    tape.add(rows(0, 2));
    await eventually(() => tape.acknowledged[0] === 1);
    world.kill();
    await world.start();
    tape.add(rows(2, 1));
    await eventually(() => tape.acknowledged[1] === 2);
    await world.stop();
    await world.start();
    tape.add(rows(3, 1));
    await eventually(() => tape.once().length === 4);
    assert.deepEqual(tape.once(), [
      '[{"n":0}]',
      '[{"before":0,"n":1}]',
      '[{"before":1,"n":2}]',
      '[{"before":2,"n":3}]',
    ]);
  }));

test("what a sink that is away did not get is sent after a restart, in order", () =>
  World.with(async (world) => {
    const { tape } = world;
    tape.away = true;
    await world.define("SELECT n FROM s", { qos: 1 });
    tape.add(rows(0, 3), rows(3, 3));
    await eventually(() => tape.acknowledged[0] === 2);
    world.kill();
    tape.away = false;
    await world.start();
    await eventually(() => tape.received.length === 6);
    assert.deepEqual(tape.once(), rows(0, 6).map((row) => JSON.stringify([row])));
    assert.equal(new Set(tape.received.map(({ id }) => id)).size, 6);
  }));
