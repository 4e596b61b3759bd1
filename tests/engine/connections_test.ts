import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { wireRule, wireStream, withEngine } from "./engine.ts";

test("the connections that a rule made for itself show how they are, and the log tells a loss once", () =>
  withEngine(async ({ engine, streams, wire, log }) => {
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", "SELECT a FROM s", { actions: [{ nop: {} }] }));
    await eventually(() => engine.live.anonymous()[0]?.status.state === "connected");
    for (let i = 0; i < 3; i++) wire.report("disconnected", "refused");
    const [shown] = engine.live.anonymous();
    assert.deepEqual(shown, {
      id: "rule r source s",
      type: "wire",
      settings: { server: "a" },
      status: { state: "disconnected", error: "refused", refCount: 1 },
    });
    wire.report("connected");
    assert.deepEqual(log.filter((line) => /onnected/.test(line)), [
      'level=warn msg="Not connected, trying again and again" connector=wire for="rule r source s" reason=refused',
      'level=info msg="Connected again" connector=wire for="rule r source s"',
    ]);
  }));
