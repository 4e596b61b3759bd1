import assert from "node:assert/strict";
import { test } from "node:test";
import type { RuleLedger } from "../../src/runtime/rule_ledger.ts";
import { type EngineFixture, wireRule, wireStream, withEngine } from "../engine/engine.ts";
import { eventually } from "../eventually.ts";
import { HandClock } from "../hand_clock.ts";
import { World } from "../durable/world.ts";

/** What stands in an account, without the zeros. */
function shown(account: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(account).filter(([, value]) =>
      typeof value === "object" ? Object.keys(value).length > 0 : value !== 0
    ),
  );
}

function messages({ actions }: RuleLedger): Record<string, unknown> {
  return shown(actions[0]!.messages);
}

async function ledgerWhen(
  { engine }: Pick<EngineFixture, "engine">,
  id: string,
  condition: (ledger: RuleLedger) => boolean,
): Promise<RuleLedger> {
  await eventually(() => condition(engine.rules.ledger(id)));
  const ledger = engine.rules.ledger(id);
  assert.deepEqual(ledger.imbalances, []);
  assert.equal(ledger.balanced, true);
  return ledger;
}

test("payloads that cannot be decoded, rows that WHERE refuses and rows that fail are told apart", () =>
  withEngine(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", "SELECT 10 / a AS b FROM s WHERE a < 5"));
    wire.send('{"a":1}', "no json", '{"a":9}', '[{"a":2},{"a":8},{"a":0}]', '{"a":"x"}');
    const ledger = await ledgerWhen(fixture, "r", ({ actions }) => actions[0]!.messages.sent === 2);
    const [stream] = ledger.streams;
    assert.deepEqual(shown(stream!.payloads!), { in: 5, out: 4, failed: { E501: 1 } });
    assert.deepEqual(shown(stream!.rows), { in: 6, out: 6 });
    const { E501: _, ...failed } = ledger.rows.failed;
    assert.deepEqual(shown({ ...ledger.rows, failed: {} }), { in: 6, out: 2, filtered: 2 });
    assert.equal(Object.values(failed).reduce((sum, count) => sum + count, 0), 2);
    assert.deepEqual(messages(ledger), { in: 2, sent: 2 });
    assert.equal(ledger.lists, undefined);
  }));

test("rows of an open window are held, and dropped when the rule stops", () =>
  withEngine(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", "SELECT count(*) AS c FROM s GROUP BY COUNTWINDOW(3) HAVING c > 5"));
    wire.send('{"a":1}', '{"a":2}', '{"a":3}', '{"a":4}', '{"a":5}');
    const running = await ledgerWhen(fixture, "r", ({ rows }) => rows.in === 5);
    assert.deepEqual(shown(running.rows), { in: 5, out: 3, held: 2 });
    assert.deepEqual(shown(running.lists!), { in: 1, filtered: 1 });
    await engine.rules.stop("r");
    assert.deepEqual(shown(engine.rules.ledger("r").rows), { in: 5, out: 3, dropped: { stopped: 2 } });
  }));

test("late rows are counted by themselves, and rows before the watermark are held", () =>
  withEngine(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute(
      'CREATE STREAM s () WITH (DATASOURCE="t", FORMAT="json", TYPE="wire", TIMESTAMP="ts")',
    );
    const options = { isEventTime: true, lateTolerance: 1000 };
    await engine.rules.create(wireRule("r", "SELECT ts FROM s", { options }));
    wire.send('{"ts":10000}', '{"ts":5000}', '{"ts":9000}', '{"ts":12000}', '{"ts":"never"}');
    const { rows } = await ledgerWhen(fixture, "r", (ledger) => ledger.rows.in === 5);
    assert.deepEqual(shown({ ...rows, failed: {} }), { in: 5, out: 2, late: 1, held: 1 });
    assert.equal(Object.values(rows.failed).reduce((sum, count) => sum + count, 0), 1);
  }));

test("rows that no window takes are filtered, and those in gaps of hops are dropped", async () => {
  const clock = new HandClock();
  await withEngine(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute('CREATE STREAM s () WITH (DATASOURCE="t", FORMAT="json", TYPE="wire", SHARED="true")');
    await engine.rules.create(wireRule("state", "SELECT a FROM s GROUP BY STATEWINDOW(a = 1, a = 3)"));
    await engine.rules.create(wireRule("gaps", "SELECT a FROM s GROUP BY HOPPINGWINDOW(ss, 1, 10)"));
    wire.send('{"a":0}', '{"a":1}', '{"a":2}', '{"a":3}', '{"a":4}');
    const state = await ledgerWhen(fixture, "state", ({ rows }) => rows.in === 5);
    assert.deepEqual(shown(state.rows), { in: 5, out: 3, filtered: 2 });
    assert.deepEqual(shown(state.lists!), { in: 1, out: 1 });
    const gaps = await ledgerWhen(fixture, "gaps", ({ rows }) => rows.in === 5);
    assert.deepEqual(shown(gaps.rows), { in: 5, dropped: { gap: 5 } });
  }, { clock });
});

test("a stream that is joined with itself makes rows, and branches of a graph do", () =>
  withEngine(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute('CREATE STREAM s () WITH (DATASOURCE="t", FORMAT="json", TYPE="wire", SHARED="true")');
    const sql = "SELECT a.n FROM s AS a INNER JOIN s AS b ON a.n = b.n GROUP BY COUNTWINDOW(4)";
    await engine.rules.create(wireRule("joined", sql));
    const graph = {
      nodes: {
        in: { type: "source", nodeType: "wire", props: { sourceType: "stream", sourceName: "s" } },
        few: { type: "operator", nodeType: "filter", props: { expr: "n > 1" } },
        many: { type: "operator", nodeType: "filter", props: { expr: "n > 0" } },
        one: { type: "sink", nodeType: "wire", props: {} },
        two: { type: "sink", nodeType: "wire", props: {} },
      },
      topo: { sources: ["in"], edges: { in: ["few", "many"], few: ["one"], many: ["two"] } },
    };
    await engine.rules.create(JSON.stringify({ id: "graph", graph }));
    wire.send('{"n":1}', '{"n":2}');
    const { rules } = engine;
    for (const id of ["joined", "graph"]) {
      const { rows } = await ledgerWhen(fixture, id, (ledger) => ledger.rows.in === 2);
      assert.equal(rows.made, 2, id);
    }
    assert.deepEqual(shown(rules.ledger("graph").rows), { in: 2, made: 2, out: 3, filtered: 1 });
  }));

test("messages wait for a sink that is held up, and are dropped when the rule stops", () =>
  withEngine(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute(wireStream);
    wire.held = new Promise(() => {});
    await engine.rules.create(wireRule("r", "SELECT a FROM s", { options: { forceExitTimeout: 10 } }));
    wire.send('{"a":1}', '{"a":2}');
    const running = await ledgerWhen(fixture, "r", ({ actions }) => actions[0]!.messages.in === 2);
    assert.deepEqual(messages(running), { in: 2, waiting: 2 });
    await engine.rules.stop("r");
    assert.deepEqual(messages(engine.rules.ledger("r")), { in: 2, dropped: { stopped: 2 } });
  }));

test("messages that a sink refuses have failed", () =>
  withEngine(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute(wireStream);
    wire.held = Promise.reject(new Error("not this"));
    wire.held.catch(() => {});
    await engine.rules.create(wireRule("r", "SELECT a FROM s"));
    wire.send('{"a":1}', '{"a":2}');
    const ledger = await ledgerWhen(fixture, "r", ({ actions }) =>
      actions[0]!.messages.waiting === 0 && actions[0]!.messages.in === 2);
    assert.deepEqual(messages(ledger), { in: 2, failed: { refused: 2 } });
  }));

test("errors that are sent on are messages, and no results", () =>
  withEngine(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", "SELECT 10 / a AS b FROM s", { options: { sendError: true } }));
    wire.send('{"a":0}', "no json", '{"a":5}');
    const ledger = await ledgerWhen(fixture, "r", ({ actions }) => actions[0]!.messages.sent === 3);
    assert.equal(ledger.rows.out, 1);
    assert.deepEqual(shown(ledger.actions[0]!.results), { in: 3, out: 3 });
  }));

test("rows that were dropped from the buffer of one rule are in its ledger, and not in that of another", () =>
  withEngine(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute('CREATE STREAM s () WITH (DATASOURCE="t", FORMAT="json", TYPE="wire", SHARED="true")');
    let go = () => {};
    wire.held = new Promise((resolve) => go = resolve);
    const narrow = { options: { bufferLength: 2 }, actions: [{ wire: { bufferLength: 1 } }] };
    await engine.rules.create(wireRule("narrow", "SELECT a FROM s", narrow));
    await engine.rules.create(wireRule("wide", "SELECT a FROM s WHERE a > 99"));
    for (let a = 0; a < 9; a++) wire.send(`{"a":${a}}`);
    const ledger = await ledgerWhen(fixture, "narrow", ({ rows }) => rows.in === 9);
    assert.ok(ledger.rows.dropped["buffer full"]! > 0);
    assert.ok(ledger.rows.held > 0);
    const wide = await ledgerWhen(fixture, "wide", ({ rows }) => rows.in === 9);
    assert.deepEqual(shown(wide.rows), { in: 9, filtered: 9 });
    go();
    await ledgerWhen(fixture, "narrow", ({ rows, actions }) => rows.held === 0 && actions[0]!.messages.waiting === 0);
  }));

test("the ledger of a rule that never ran is empty, and that of an unknown one is refused", () =>
  withEngine(async ({ engine, streams }) => {
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", "SELECT a FROM s", { triggered: false }));
    const { since, balanced, rows } = engine.rules.ledger("r");
    assert.deepEqual([since, balanced, shown(rows)], [0, true, {}]);
    assert.throws(() => engine.rules.ledger("none"), /not found/);
  }));

test("the status has the sums behind the keys that eKuiper has", () =>
  withEngine(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", "SELECT a FROM s WHERE a > 1"));
    wire.send('{"a":1}', '{"a":2}');
    await ledgerWhen(fixture, "r", ({ actions }) => actions[0]!.messages.sent === 1);
    const status = engine.rules.status("r");
    const own = Object.entries(status).filter(([key]) => key.startsWith("ledger_"));
    assert.deepEqual(Object.fromEntries(own), {
      ledger_balanced: 1,
      ledger_in_total: 2,
      ledger_carried_total: 0,
      ledger_made_total: 0,
      ledger_out_total: 1,
      ledger_filtered_total: 1,
      ledger_late_total: 0,
      ledger_dropped_total: 0,
      ledger_failed_total: 0,
      ledger_held: 0,
    });
    const keys = Object.keys(status);
    assert.ok(keys.indexOf("ledger_balanced") > keys.findLastIndex((key) => key.startsWith("sink_")));
  }));

test("what a killed rule held is carried over, and so are the messages that its sink did not get", () =>
  World.with(async (world) => {
    const { tape } = world;
    tape.away = true;
    await world.define("SELECT count(*) AS c FROM s GROUP BY COUNTWINDOW(3)", { qos: 1 });
    tape.add(Array.from({ length: 5 }, (_, n) => ({ n })));
    await eventually(() => tape.acknowledged[0] === 1);
    const before = world.engine.rules.ledger("r");
    assert.deepEqual([before.imbalances, shown(before.rows)], [[], { in: 5, out: 3, held: 2 }]);
    assert.deepEqual(messages(before), { in: 1, waiting: 1 });
    world.kill();
    tape.away = false;
    await world.start();
    await ledgerWhen(world, "r", ({ actions }) => actions[0]!.messages.sent === 1);
    tape.add([{ n: 5 }, { n: 6 }]);
    const after = await ledgerWhen(world, "r", ({ actions }) => actions[0]!.messages.sent === 2);
    assert.deepEqual(shown(after.rows), { in: 2, carried: 2, out: 3, held: 1 });
    assert.deepEqual(messages(after), { in: 1, carried: 1, sent: 2 });
  }));
