/**
 * Settings that prove wrong only when a source or sink is opened.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { HandClock } from "../hand_clock.ts";
import { wireRule, wireStream, withEngine } from "./engine.ts";

const failedState = "stopped by error";

test("a rule whose source can never be opened stops by that error, and starts when it is mended", () =>
  withEngine(async ({ engine, streams, wire, log }) => {
    streams.execute(wireStream);
    wire.refusal = "no such topic";
    await engine.rules.create(wireRule("r", "SELECT a FROM s", { actions: [{ nop: {} }] }));
    await eventually(() => engine.rules.status("r").status === failedState);
    assert.equal(engine.rules.status("r").message, "E403: no such topic");
    assert.equal(wire.opens, 1);
    assert.deepEqual(log, ['level=error msg="A rule cannot run" rule=r reason="E403: no such topic"']);
    assert.deepEqual(engine.rules.usersOf("s"), []);
    wire.refusal = undefined;
    await engine.rules.start("r");
    assert.equal(engine.rules.status("r").status, "running");
    assert.equal(engine.rules.status("r").message, "");
  }));

test("so do all rules of a shared stream, and the stream can be opened again", () =>
  withEngine(async ({ engine, streams, wire }) => {
    streams.execute(wireStream.replace("WITH (", 'WITH (SHARED="true", '));
    wire.refusal = "no such topic";
    const nop = { actions: [{ nop: {} }] };
    await Promise.all(["r1", "r2"].map((id) => engine.rules.create(wireRule(id, "SELECT a FROM s", nop))));
    await eventually(() => ["r1", "r2"].every((id) => engine.rules.status(id).status === failedState));
    wire.refusal = undefined;
    await engine.rules.start("r1");
    await engine.rules.start("r2");
    wire.send('{"a":1}');
    await eventually(() => ["r1", "r2"].every((id) => engine.rules.status(id).sink_nop_0_0_records_out_total === 1));
  }));

test("a sink that can never be opened stops its rule, which starts again by itself when asked to", async () => {
  const clock = new HandClock();
  await withEngine(async ({ engine, streams, wire }) => {
    streams.execute('CREATE STREAM s () WITH (DATASOURCE="t", TYPE="memory")');
    wire.refusal = "no such topic";
    const options = { restartStrategy: { attempts: 1 } };
    await engine.rules.create(wireRule("r", "SELECT a FROM s", { options }));
    await eventually(() => engine.rules.status("r").status === failedState);
    assert.match(String(engine.rules.status("r").sink_wire_0_0_last_exception), /no such topic/);
    await clock.advance(10_000);
    await eventually(() => wire.opens === 2 && engine.rules.status("r").status === failedState);
    wire.refusal = undefined;
    await clock.advance(10_000);
    await eventually(() => wire.opens === 3);
    assert.equal(engine.rules.status("r").status, "running");
  }, { clock });
});

test("settings with the names of prototypes are unknown like any others, wherever they stand", () =>
  withEngine(async ({ engine, streams, configs }) => {
    streams.execute(wireStream);
    const rule = (settings: string) =>
      `{"id":"r","sql":"SELECT a FROM s","actions":[{"wire":${settings}}],"options":{}}`;
    for (
      const settings of ['{"__proto__":{"topic":"x"}}', '{"constructor":1}', '{"__proto__":{"password":"******"}}']
    ) {
      await assert.rejects(engine.rules.create(rule(settings)), /E402.*"(__proto__|constructor)"|E403.*__proto__/);
    }
    const own = JSON.parse('{"__proto__":{"datasource":"x"}}');
    assert.throws(() => configs.putConfKey("source", "wire", "k", own), /E402.*__proto__/);
    streams.execute(wireStream.replace("STREAM s", "STREAM odd").replace(/\)$/, `, EXTRA='{"__proto__":{"a":1}}')`));
    const ofStream = rule("{}").replace("FROM s", "FROM odd");
    await assert.rejects(engine.rules.create(ofStream), /E402.*__proto__/);
    assert.equal(({} as { topic?: string }).topic, undefined);
  }));
