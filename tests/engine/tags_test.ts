import assert from "node:assert/strict";
import { test } from "node:test";
import { wireRule, wireStream, withEngine } from "./engine.ts";

test("tags are replaced, added and removed while the rule runs, and are kept", () =>
  withEngine(async ({ engine, streams, store }) => {
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", "SELECT a FROM s", { Tags: ["a"] }));
    const started = engine.rules.status("r").lastStartTimestamp;
    const tags = () => [engine.rules.list()[0]!.tags, JSON.parse(store.get("rule", "r")!).Tags];
    await engine.rules.changeTags("r", "add", ["b", "a", "b"]);
    assert.deepEqual(tags(), [["a", "b"], ["a", "b"]]);
    await engine.rules.changeTags("r", "remove", ["a", "nosuch"]);
    assert.deepEqual(tags(), [["b"], ["b"]]);
    await engine.rules.changeTags("r", "replace", []);
    assert.deepEqual(tags(), [[], []]);
    assert.equal(engine.rules.status("r").lastStartTimestamp, started);
    await engine.rules.stop("r");
    assert.deepEqual(tags(), [[], []]);
    await assert.rejects(engine.rules.changeTags("nosuch", "add", ["a"]), /E701/);
  }));
