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

test("a condition of a window that fails counts as false, is logged, and loses no row", () =>
  withEngine(async ({ engine, streams, wire, log }) => {
    streams.execute(wireStream);
    await engine.rules.create(
      wireRule("r", "SELECT count(*) AS n FROM s GROUP BY SLIDINGWINDOW(ss, 10) OVER (WHEN v > 1)"),
    );
    wire.send('{"v":"x"}', '{"v":2}');
    await eventually(() => wire.written.length === 1);
    assert.deepEqual(wire.written, ['[{"n":2}]']);
    assert.equal(log.filter((line) => line.includes("A condition failed and counts as false")).length, 1);
  }));
