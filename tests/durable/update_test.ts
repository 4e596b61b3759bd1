import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeState, encodeState } from "../../src/runtime/state_codec.ts";
import { eventually } from "../eventually.ts";
import { World } from "./world.ts";

const rows = (from: number, count: number) => Array.from({ length: count }, (_, i) => ({ n: from + i, k: i % 2 }));

function rule(sql: string, options: object = {}): string {
  return JSON.stringify({ id: "r", sql, actions: [{ tape: {} }], options: { qos: 2, ...options } });
}

function recoveryOf(world: World): unknown {
  return world.engine.rules.status("r").recovery;
}

test("an updated rule keeps the state of the steps that stay the same", () =>
  World.with(async (world) => {
    const { tape } = world;
    await world.define("SELECT count(*) AS c FROM s GROUP BY COUNTWINDOW(4)", { qos: 2 });
    tape.add(rows(0, 3));
    await eventually(() => tape.acknowledged[0] === 1);
    // The window stays, what is made of its list is another.
    await world.engine.rules.update("r", rule("SELECT count(*) AS rows FROM s GROUP BY COUNTWINDOW(4)"));
    await eventually(() => recoveryOf(world) === "restored");
    tape.add(rows(3, 1));
    await eventually(() => tape.once().length === 1);
    assert.deepEqual(tape.once(), ['[{"rows":4}]']);
  }));

test("an updated rule begins anew where its state means something else, and says so", () =>
  World.with(async (world) => {
    const { tape } = world;
    await world.define("SELECT count(*) AS c FROM s GROUP BY COUNTWINDOW(4)", { qos: 2 });
    tape.add(rows(0, 3));
    await eventually(() => tape.acknowledged[0] === 1);
    await world.engine.rules.update("r", rule("SELECT count(*) AS c FROM s GROUP BY COUNTWINDOW(2)"));
    await eventually(() => /^clean: .*was changed/.test(String(recoveryOf(world))));
    assert.ok(world.log.some((line) => line.includes("The rule starts without all of its state")));
    tape.add(rows(3, 2));
    await eventually(() => tape.once().length === 1);
    assert.deepEqual(tape.once(), ['[{"c":2}]']);
    // What is kept now belongs to the rule as it is.
    tape.add(rows(5, 1));
    await eventually(() => tape.acknowledged.at(-1) === 3);
    world.kill();
    await world.start();
    await eventually(() => recoveryOf(world) === "restored");
    tape.add(rows(6, 1));
    await eventually(() => tape.once().length === 2);
    assert.deepEqual(tape.once(), ['[{"c":2}]', '[{"c":2}]']);
  }));

test("a rule that did not have to keep its state begins with none, and keeps it from then on", () =>
  World.with(async (world) => {
    const { tape } = world;
    await world.define("SELECT count(*) AS c FROM s GROUP BY COUNTWINDOW(4)", { qos: 0 });
    tape.add(rows(0, 3));
    await eventually(() => tape.acknowledged[0] === 1);
    await world.engine.rules.update("r", rule("SELECT count(*) AS c FROM s GROUP BY COUNTWINDOW(4)"));
    await eventually(() => tape.acknowledged[1] === 1);
    await world.engine.rules.restart("r");
    await eventually(() => recoveryOf(world) === "restored");
    tape.add(rows(3, 1));
    await eventually(() => tape.once().length === 1);
    assert.deepEqual(tape.once(), ['[{"c":4}]']);
  }));

test("the state is found again when another version plans the same text with other keys", () =>
  World.with(async (world) => {
    const { tape, delivery } = world;
    await world.define("SELECT count(*) AS c FROM s GROUP BY COUNTWINDOW(4)", { qos: 2 });
    tape.add(rows(0, 3));
    await eventually(() => tape.acknowledged[0] === 1);
    await world.engine.rules.stop("r");
    const saved = delivery.checkpoint("r")!;
    const [form, text, nodes, taps] = decodeState(String(saved.state)) as [number, string, string[][], string[]];
    const renamed = nodes.map(([key, ...rest]) => [`other-${key}`, ...rest]);
    const state = encodeState([form, text, renamed, taps.map((key) => `other-${key}`)]);
    await delivery.commit({ rule: "r", checkpoint: { ...saved, plan: "other", state } });
    await world.engine.rules.start("r");
    await eventually(() => recoveryOf(world) === "restored");
    tape.add(rows(3, 1));
    await eventually(() => tape.once().length === 1);
    assert.deepEqual(tape.once(), ['[{"c":4}]']);
  }));
