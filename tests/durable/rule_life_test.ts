/**
 * Commands for rules that keep what they do: updates, resets, removals, dead letters, also while a rule recovers.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { World } from "./world.ts";

const rows = (from: number, count: number) => Array.from({ length: count }, (_, i) => ({ n: from + i }));
const counting = "SELECT count(*) AS c, sum(n) AS s FROM s GROUP BY COUNTWINDOW(4)";

function ruleJson(sql: string, options: object, actions: object[] = [{ tape: {} }]): string {
  return JSON.stringify({ id: "r", sql, actions, options });
}

/** A rule with three rows in its window. */
async function halfWay(world: World): Promise<void> {
  await world.define(counting, { qos: 1 });
  world.tape.add(rows(0, 3));
  await eventually(() => world.tape.acknowledged[0] === 1);
}

test("a rule that forgets its state counts anew, and goes on where its source stands", () =>
  World.with(async (world) => {
    await halfWay(world);
    await world.engine.rules.reset("r", { state: true, positions: false });
    world.tape.add(rows(3, 4));
    await eventually(() => world.tape.received.length === 1);
    assert.deepEqual(world.tape.once(), ['[{"c":4,"s":18}]']);
    assert.deepEqual(world.tape.begun, [undefined, "1"]);
    assert.ok(!world.log.some((line) => line.includes("without all of its state")), world.log.join("\n"));
  }));

test("a rule that forgets its positions reads from the beginning, with its state or without", () =>
  World.with(async (world) => {
    await halfWay(world);
    await world.engine.rules.reset("r", { state: false, positions: true });
    await eventually(() => world.tape.received.length === 1);
    assert.deepEqual(world.tape.once(), ['[{"c":4,"s":3}]'], "the window held three");
    await eventually(() => world.tape.acknowledged[1] === 1);
    await world.engine.rules.reset("r", { state: true, positions: true });
    world.tape.add(rows(3, 1));
    await eventually(() => world.tape.received.length === 2);
    assert.equal(world.tape.once()[1], '[{"c":4,"s":6}]');
    assert.deepEqual(world.tape.begun, [undefined, undefined, undefined]);
  }));

test("a source is moved while the rule runs, and what cannot be moved is told", () =>
  World.with(async (world) => {
    const { tape } = world;
    await world.define("SELECT n FROM s", { qos: 1 });
    const { rules } = world.engine;
    await assert.rejects(rules.resetSource("r", "s", null), /has no position/);
    tape.add(rows(0, 1), rows(1, 1), rows(2, 1));
    await eventually(() => tape.acknowledged[0] === 3);
    await rules.resetSource("r", "s", "1");
    await eventually(() => tape.acknowledged[1] === 3);
    await rules.resetSource("r", "s", null);
    await eventually(() => tape.acknowledged[2] === 3);
    assert.deepEqual(tape.begun, [undefined, "1", undefined]);
    await eventually(() => tape.received.length === 8);
    await assert.rejects(rules.resetSource("r", "t", null), /does not read a stream "t"/);
    await rules.stop("r");
    await assert.rejects(rules.resetSource("r", "s", null), /Rule r is not running/);
    assert.equal(rules.status("r").status, "stopped");
    await rules.update("r", ruleJson("SELECT n FROM s", { qos: 0 }));
    await assert.rejects(rules.resetSource("r", "s", null), /keeps no positions: its qos is 0/);
  }));

test("a file is read again from its start, or from a position of its own", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-file-"));
  const path = join(folder, "a.json");
  writeFileSync(path, '[{"n":1},{"n":2},{"n":3}]');
  try {
    await World.with(async (world) => {
      const { engine, tape, streams } = world;
      // The second stream keeps the rule running when the file has been read.
      streams.execute(`CREATE STREAM f (n BIGINT) WITH (TYPE="file", DATASOURCE="${path}")`);
      streams.execute('CREATE STREAM s () WITH (DATASOURCE="t", TYPE="tape")');
      const sql = "SELECT f.n AS n FROM f FULL JOIN s ON f.n = s.n GROUP BY COUNTWINDOW(1)";
      await engine.rules.create(ruleJson(sql, { qos: 1 }));
      await eventually(() => tape.received.length === 3);
      await eventually(() => world.delivery.positions("r").has("f"));
      const end = world.delivery.positions("r").get("f")!;
      await engine.rules.resetSource("r", "f", null);
      await eventually(() => tape.received.length === 6);
      await engine.rules.resetSource("r", "f", end);
      tape.add([{ n: 7 }]);
      await eventually(() => tape.received.length === 7);
      assert.equal(tape.received[6]!.text, "[{}]", "nothing of the file again");
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what a sink refuses for good is put aside, and replayed by a rule that runs, with its id", () =>
  World.with(async (world) => {
    const { tape } = world;
    const { deadLetters } = world.engine;
    tape.refuses = (text) => text.includes("1");
    await world.define("SELECT n FROM s", { qos: 1 });
    tape.add(rows(0, 3));
    await eventually(() => deadLetters.list("r").total === 1);
    const [letter] = deadLetters.list("r").letters;
    assert.deepEqual([letter!.payload, letter!.reason, letter!.action], ['[{"n":1}]', "not wanted", "0_tape"]);
    await eventually(() => tape.received.length === 2);
    world.kill();
    await world.start();
    tape.refuses = () => false;
    assert.deepEqual(await world.engine.deadLetters.replay("r"), { letters: 1, unknown: [] });
    await eventually(() => tape.received.length === 3);
    assert.deepEqual(tape.received[2], { topic: "", id: letter!.id, text: '[{"n":1}]' });
    await eventually(() => world.delivery.outbox("r", "0_tape").counts().rows === 0);
    assert.equal(world.engine.deadLetters.list("r").total, 0);
    await eventually(() => world.engine.rules.ledger("r").balanced);
    assert.equal(world.engine.rules.ledger("r").actions[0]!.messages.carried, 1);
  }));

test("an update that does not plan leaves the rule running, with its state", () =>
  World.with(async (world) => {
    await halfWay(world);
    await assert.rejects(
      world.engine.rules.update("r", ruleJson("SELECT nosuch( FROM s", { qos: 1 })),
      /nosuch|Syntax|found/,
    );
    await assert.rejects(world.engine.rules.update("r", ruleJson(counting, { qos: 1 }, [{ nosuch: {} }])), /nosuch/);
    world.tape.add(rows(3, 1));
    await eventually(() => world.tape.received.length === 1);
    assert.deepEqual(world.tape.once(), ['[{"c":4,"s":6}]']);
    assert.equal(world.tape.begun.length, 1, "it was never stopped");
  }));

test("an update keeps the state that fits, and the messages of actions that stay", () =>
  World.with(async (world) => {
    const { tape } = world;
    tape.away = true;
    const actions = [{ tape: { topic: "a" } }, { tape: { topic: "b" } }];
    await world.define("SELECT n FROM s", { qos: 1 }, "r", actions);
    tape.add(rows(0, 3));
    await eventually(() => tape.acknowledged[0] === 1);
    await world.engine.rules.update("r", ruleJson("SELECT n FROM s", { qos: 1 }, [actions[0]!]));
    const warning = world.log.find((line) => line.includes("does not keep any more were given up"));
    assert.match(warning ?? "", /count=3/);
    assert.deepEqual(world.delivery.actions("r"), ["0_tape"]);
    tape.away = false;
    await eventually(() => tape.received.length === 3);
    assert.ok(tape.received.every(({ topic }) => topic === "a"));
  }));

test("an id is never used again, also when the outbox that knew it last is gone", () =>
  World.with(async (world) => {
    const { tape } = world;
    const both = [{ tape: { topic: "a" } }, { tape: { topic: "b" } }];
    await world.define("SELECT n FROM s", { qos: 1 }, "r", both);
    tape.add(rows(0, 3));
    await eventually(() => tape.received.length === 6);
    await eventually(() => world.delivery.outbox("r", "1_tape").counts().rows === 0);
    await world.engine.rules.update("r", ruleJson("SELECT n FROM s", { qos: 1 }, [both[0]!]));
    world.kill();
    await world.start();
    tape.add(rows(3, 3));
    await eventually(() => tape.received.length === 9);
    assert.equal(new Set(tape.received.map(({ id }) => id)).size, 9);
  }));

test("a rule that is updated to promise nothing keeps nothing", () =>
  World.with(async (world) => {
    const { tape } = world;
    tape.away = true;
    await halfWay(world);
    tape.add(rows(3, 1));
    await eventually(() => world.delivery.outbox("r", "0_tape").counts().rows === 1);
    await world.engine.rules.update("r", ruleJson(counting, { qos: 0 }));
    assert.ok(world.log.some((line) => line.includes("were given up") && line.includes("count=1")));
    assert.deepEqual(world.delivery.rules(), []);
  }));

test("a rule that is deleted is gone with all it kept, also while its sink is away", () =>
  World.with(async (world) => {
    const { tape } = world;
    tape.away = true;
    await world.define("SELECT n FROM s", { qos: 1 });
    tape.add(rows(0, 3));
    await eventually(() => tape.acknowledged[0] === 1);
    await world.engine.rules.delete("r");
    assert.deepEqual(world.delivery.rules(), []);
    tape.away = false;
    await world.define("SELECT n FROM s", { qos: 1 });
    await eventually(() => tape.received.length === 3);
    assert.deepEqual(tape.begun, [undefined, undefined]);
  }));

/** A rule with a log that takes a while to give back, just started again. */
async function recovering(world: World): Promise<void> {
  const { tape } = world;
  await world.define("SELECT count(*) AS c FROM s GROUP BY COUNTWINDOW(200000)", { qos: 1, checkpointInterval: "1h" });
  const batches = 100;
  tape.add(...Array.from({ length: batches }, (_, i) => rows(i * 1000, 1000)));
  await eventually(() => tape.acknowledged[0] === batches);
  world.kill();
  await world.start();
  assert.ok(!world.log.some((line) => line.includes("The state of the rule is back")), "it still recovers");
}

const commands: [string, (world: World) => Promise<unknown>, "gone" | "running" | "stopped"][] = [
  ["deleted", ({ engine }) => engine.rules.delete("r"), "gone"],
  ["stopped", ({ engine }) => engine.rules.stop("r"), "stopped"],
  ["restarted twice", ({ engine }) => Promise.all([engine.rules.restart("r"), engine.rules.restart("r")]), "running"],
  ["stopped and started", ({ engine }) => Promise.all([engine.rules.stop("r"), engine.rules.start("r")]), "running"],
  [
    "stopped and deleted",
    ({ engine }) => Promise.all([engine.rules.stop("r"), engine.rules.delete("r")]),
    "gone",
  ],
];

for (const [what, command, becomes] of commands) {
  test(`a rule that is ${what} while it recovers is so, and loses none of its state otherwise`, () =>
    World.with(async (world) => {
      await recovering(world);
      await command(world);
      if (becomes === "gone") return assert.deepEqual(world.delivery.rules(), []);
      assert.equal(world.engine.rules.status("r").status, becomes);
      if (becomes === "stopped") await world.engine.rules.start("r");
      world.tape.add(rows(0, 100_000));
      await eventually(() => world.tape.received.length === 1);
      assert.deepEqual(world.tape.once(), ['[{"c":200000}]']);
    }));
}
