import assert from "node:assert/strict";
import { test } from "node:test";
import { wireRule, wireStream, withEngine } from "./engine.ts";

test("a rule that is read and written back keeps its password, which nobody is shown", () =>
  withEngine(async ({ engine, streams, store }) => {
    streams.execute(wireStream);
    const password = () => JSON.parse(store.get("rule", "r")!).actions[0].mqtt.password;
    const actions = [{ mqtt: { server: "tcp://127.0.0.1:1", topic: "t", username: "u", password: "s3cret" } }];
    await engine.rules.create(wireRule("r", "SELECT a FROM s", { actions, triggered: false }));
    const shown = engine.rules.get("r");
    assert.ok(!shown.includes("s3cret"));
    await engine.rules.validate(shown);
    await engine.rules.update("r", shown);
    assert.equal(password(), "s3cret");
    await engine.rules.update("r", shown.replace("******", "other"));
    assert.equal(password(), "other");
    await assert.rejects(engine.rules.create(shown.replace('"r"', '"r2"')), /E403: .*there is none/);
  }));
