import assert from "node:assert/strict";
import { test } from "node:test";
import { Disconnected } from "../../src/connector/errors.ts";
import { eventually } from "../eventually.ts";
import { HandClock } from "../hand_clock.ts";
import { wireRule, wireStream, withEngine } from "./engine.ts";

test("a source and a sink that are lost for long are told once for each reason, and when they work again", async () => {
  const clock = new HandClock();
  await withEngine(async ({ engine, streams, wire, log }) => {
    streams.execute(wireStream);
    wire.loss = new Disconnected("refused");
    await engine.rules.create(wireRule("r", "SELECT a FROM s"));
    for (let i = 0; i < 10; i++) await clock.advance(10_000);
    assert.ok(wire.opens > 10, String(wire.opens));
    wire.loss = new Disconnected("no route");
    for (let i = 0; i < 3; i++) await clock.advance(10_000);
    wire.loss = undefined;
    await clock.advance(10_000);
    wire.send('{"a":1}');
    await eventually(() => wire.written.length === 1);
    const source = 'msg="A source was lost and will be opened again" stream=s';
    const sink = 'msg="A sink cannot write and will be tried again" rule=r action=wire';
    assert.deepEqual(log.sort(), [
      'level=info msg="A sink writes again" rule=r action=wire',
      'level=info msg="A source reads again" stream=s',
      `level=warn ${sink} reason="no route"`,
      `level=warn ${sink} reason=refused`,
      `level=warn ${source} reason="no route"`,
      `level=warn ${source} reason=refused`,
    ]);
  }, { clock });
});
