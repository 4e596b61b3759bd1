import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { wireRule, wireStream, withEngine } from "./engine.ts";

test("a payload that cannot be decoded and a row that fails are logged once each, and sent on when asked", () =>
  withEngine(async ({ engine, streams, wire, log }) => {
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", "SELECT a + 1 AS b FROM s", { options: { sendError: true } }));
    wire.send("{oops", '{"a":"x"}', '{"a":1}');
    await eventually(() => wire.written.includes('[{"b":2}]'));
    assert.equal(wire.written.filter((text) => text.includes('"error"')).length, 2);
    assert.deepEqual(log.map((line) => /msg="[^"]*"/.exec(line)?.[0]), [
      'msg="A message was dropped"',
      'msg="A row failed"',
    ]);
  }));
