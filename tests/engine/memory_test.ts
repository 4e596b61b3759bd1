/**
 * Rules that are chained over the memory bus, and tables that they keep up.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { wireRule, wireStream, withEngine } from "./engine.ts";

test("rows of many devices go to topics of their own, and rules take those that they want", () =>
  withEngine(async ({ engine, streams, wire }) => {
    streams.execute(wireStream);
    streams.execute('CREATE STREAM all_rows () WITH (TYPE="memory", DATASOURCE="plant/#")');
    streams.execute('CREATE STREAM one () WITH (TYPE="memory", DATASOURCE="plant/+/b")');
    const template = "plant/{{.line}}/{{.device}}";
    await engine.rules.create(wireRule("every", "SELECT device, meta(topic) AS topic FROM all_rows"));
    await engine.rules.create(wireRule("some", "SELECT device AS d FROM one"));
    const memory = { topic: template, sendSingle: true };
    await engine.rules.create(JSON.stringify({ id: "split", sql: "SELECT * FROM s", actions: [{ memory }] }));
    wire.send('{"line":1,"device":"a"}', '{"line":2,"device":"b"}', '{"line":3,"device":"+"}');
    await eventually(() => wire.written.length === 3);
    assert.deepEqual([...wire.written].sort(), [
      '[{"d":"b"}]',
      '[{"device":"a","topic":"plant/1/a"}]',
      '[{"device":"b","topic":"plant/2/b"}]',
    ]);
    assert.equal(engine.rules.status("split").sink_memory_0_0_exceptions_total, 1);
  }));

test("a rule puts rows into a lookup table, changes and deletes them, and another one joins with it", () =>
  withEngine(async ({ engine, streams, wire }) => {
    streams.execute('CREATE STREAM changes () WITH (DATASOURCE="c", FORMAT="json", TYPE="wire")');
    streams.execute('CREATE TABLE names () WITH (TYPE="memory", DATASOURCE="names", KIND="lookup", KEY="id")');
    streams.execute('CREATE STREAM asked () WITH (TYPE="memory", DATASOURCE="asked")');
    const memory = { topic: "{{.to}}", rowkindField: "kind", keyField: "id", sendSingle: true };
    await engine.rules.create(
      JSON.stringify({ id: "keep", sql: "SELECT * FROM changes", actions: [{ memory }] }),
    );
    await engine.rules.create(
      wireRule("ask", "SELECT asked.id AS id, names.name AS name FROM asked LEFT JOIN names ON asked.id = names.id"),
    );
    const change = (id: number, kind: string, name?: string) => JSON.stringify({ to: "names", id, kind, name });
    const ask = (id: number) => JSON.stringify({ to: "asked", id });
    wire.send(change(1, "insert", "pump"), change(2, "update", "nobody"), ask(1), ask(2));
    await eventually(() => wire.written.length === 2);
    wire.send(change(1, "update", "valve"), ask(1));
    await eventually(() => wire.written.length === 3);
    wire.send(change(1, "delete"), ask(1), change(3, "replace"));
    await eventually(() => wire.written.length === 4);
    assert.deepEqual(wire.written.map((each) => JSON.parse(each)[0].name), ["pump", undefined, "valve", undefined]);
    await eventually(() => Number(engine.rules.status("keep").sink_memory_0_0_exceptions_total) === 1);
    assert.match(String(engine.rules.status("keep").sink_memory_0_0_last_exception), /found "replace"/);
  }));
