import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { type EngineFixture, withEngine } from "./engine.ts";

/** A rule whose sink is held, on a stream with the given settings; its buffers take four rows. */
async function heldRule({ engine, streams, wire }: EngineFixture, stream: string, ids = ["r"]): Promise<() => void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  wire.held = promise;
  streams.execute(`CREATE STREAM s () WITH (DATASOURCE="t", FORMAT="json", TYPE="wire", ${stream})`);
  for (const id of ids) {
    const action = { wire: { bufferLength: 4, sendSingle: true } };
    const rule = { id, sql: "SELECT n FROM s", actions: [action], options: { bufferLength: 4 } };
    await engine.rules.create(JSON.stringify(rule));
  }
  return resolve;
}

function droppedOf({ engine }: EngineFixture, id = "r"): unknown {
  return engine.rules.ledger(id).rows.dropped;
}

for (
  const [onFull, kept] of [["dropOldest", [0, 1, 2, 3, 16, 17, 18, 19]], ["dropNewest", [
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
  ]]] as const
) {
  test(`a stream with onFull ${onFull} is read on while its rule cannot follow`, () =>
    withEngine(async (fixture) => {
      const { wire, engine } = fixture;
      const release = await heldRule(fixture, `EXTRA='{"onFull":"${onFull}"}'`);
      for (let n = 0; n < 20; n++) wire.send(`{"n":${n}}`);
      await eventually(() => engine.rules.status("r").source_s_0_records_in_total === 20);
      await eventually(() => JSON.stringify(droppedOf(fixture)) === '{"buffer full":12}');
      release();
      await eventually(() => wire.written.length === kept.length);
      assert.deepEqual(wire.written, kept.map((n) => `{"n":${n}}`));
      assert.deepEqual(engine.rules.ledger("r").imbalances, []);
    }));
}

test("a stream of its own waits for its rule when nothing is said", () =>
  withEngine(async (fixture) => {
    const { wire, engine } = fixture;
    const release = await heldRule(fixture, `RETAIN_SIZE="1"`);
    for (let n = 0; n < 20; n++) wire.send(`{"n":${n}}`);
    await eventually(() => engine.rules.status("r").source_s_0_records_in_total === 4);
    release();
    await eventually(() => wire.written.length === 20);
    assert.deepEqual(droppedOf(fixture), {});
  }));

test("a shared stream with onFull block waits for each of its rules", () =>
  withEngine(async (fixture) => {
    const { wire, engine } = fixture;
    const release = await heldRule(fixture, `SHARED="true", EXTRA='{"onFull":"block"}'`, ["a", "b"]);
    for (let n = 0; n < 20; n++) wire.send(`{"n":${n}}`);
    await eventually(() => engine.rules.status("a").source_s_0_records_in_total === 4);
    release();
    await eventually(() => wire.written.length === 40);
    for (const id of ["a", "b"]) assert.deepEqual(droppedOf(fixture, id), {});
  }));
