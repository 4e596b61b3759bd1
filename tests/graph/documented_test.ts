/**
 * The example of docs/graph-rules.md runs as the page says.
 * @module
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { withEngine } from "../engine/engine.ts";
import { eventually } from "../eventually.ts";

const page = readFileSync(fileURLToPath(new URL("../../docs/graph-rules.md", import.meta.url)), "utf8");
const [, example] = /^```json\n([\s\S]*?)^```$/m.exec(page)!;

test("the graph of the page gives each level to its sink", () =>
  withEngine(async ({ engine, streams, wire, log }) => {
    streams.execute('CREATE STREAM alarms () WITH (DATASOURCE="alarms", TYPE="memory")');
    await engine.rules.create(JSON.stringify({ id: "a", sql: "SELECT * FROM alarms", actions: [{ wire: {} }] }));
    const quick = example!.replace('"data": [', '"interval": 1, "data": [');
    assert.notEqual(quick, example);
    assert.equal(await engine.rules.create(quick), "levels");
    await eventually(() => wire.written.length > 0 && log.some((line) => line.includes("result")));
    assert.deepEqual(JSON.parse(wire.written[0]!), [{ celsius: 93, kelvin: 366, pump: "p2" }]);
    assert.match(log.find((line) => line.includes("result"))!, /86\.5/);
  }));
