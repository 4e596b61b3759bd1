/**
 * Joins in a running engine: streams of a window, scan tables, lookup tables that answer at once and later.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { connectors } from "../../connectors/mod.ts";
import { defineConnector } from "../../src/connector/declare.ts";
import { text } from "../../src/connector/settings.ts";
import type { Struct } from "../../src/value/value.ts";
import { eventually } from "../eventually.ts";
import { Probe } from "../probe_connector.ts";
import { type EngineFixture, wireRule, withEngine } from "./engine.ts";
import { Wire } from "./wire.ts";
import { ConnectorList } from "../../src/connector/connector_list.ts";

/** Rows that the wire brings go to the memory topic that their column `to` names. */
async function distribute({ engine, streams }: EngineFixture, ...topics: string[]): Promise<void> {
  streams.execute('CREATE STREAM s () WITH (DATASOURCE="t", FORMAT="json", TYPE="wire", SHARED="true")');
  for (const topic of topics) {
    const sql = `SELECT * EXCEPT (to) FROM s WHERE to = "${topic}"`;
    await engine.rules.create(JSON.stringify({ id: `to_${topic}`, sql, actions: [{ memory: { topic } }] }));
  }
}

function rowsOf(written: readonly string[]): Struct[] {
  return written.flatMap((text) => JSON.parse(text) as Struct[]);
}

test("two streams are joined in the windows of a running rule", () =>
  withEngine(async (fixture) => {
    const { engine, streams, wire } = fixture;
    await distribute(fixture, "l", "r");
    streams.execute('CREATE STREAM l () WITH (DATASOURCE="l", TYPE="memory")');
    streams.execute('CREATE STREAM r () WITH (DATASOURCE="r", TYPE="memory")');
    const sql = "SELECT l.id AS id, r.x AS x FROM l LEFT JOIN r ON l.id = r.id GROUP BY TUMBLINGWINDOW(ms, 300)";
    await engine.rules.create(wireRule("join", sql));
    // A window may end between the rows; the two of one id are sent together, which its rows are not torn by often.
    for (let id = 0; rowsOf(wire.written).every((row) => row.x === undefined); id++) {
      wire.send(`{"to":"l","id":${id}}`, `{"to":"r","id":${id},"x":${id * 10}}`);
      const before = wire.written.length;
      await eventually(() => wire.written.length > before);
    }
    const joined = rowsOf(wire.written).find((row) => row.x !== undefined)!;
    assert.equal(joined.x, (joined.id as number) * 10);
    const { sources, edges } = JSON.parse(JSON.stringify(engine.rules.topo("join"))) as {
      sources: string[];
      edges: Record<string, string[]>;
    };
    assert.deepEqual(sources, ["source_l", "source_r"]);
    assert.deepEqual(edges.source_l, ["op_2_window"]);
    assert.deepEqual(edges.source_r, ["op_2_window"]);
    assert.deepEqual(edges.op_2_window, ["op_3_join"]);
  }));

test("rows of a table set nothing off, and rows of the stream find what came before them", () =>
  withEngine(async (fixture) => {
    const { engine, streams, wire } = fixture;
    await distribute(fixture, "readings", "names");
    streams.execute('CREATE STREAM readings () WITH (DATASOURCE="readings", TYPE="memory")');
    streams.execute('CREATE TABLE names () WITH (DATASOURCE="names", TYPE="memory", RETAIN_SIZE="100")');
    await engine.rules.create(
      wireRule(
        "r",
        "SELECT readings.v AS v, names.name AS name FROM readings INNER JOIN names ON readings.id = names.id",
      ),
    );
    wire.send('{"to":"names","id":1,"name":"pump"}');
    await eventually(() => engine.rules.status("r").source_names_0_records_out_total === 1);
    wire.send('{"to":"readings","id":1,"v":5}', '{"to":"readings","id":2,"v":6}');
    await eventually(() => engine.rules.status("r").source_readings_0_records_out_total === 2);
    assert.deepEqual(wire.written, ['[{"name":"pump","v":5}]']);
  }));

test("a memory lookup table is asked for what was published on its topic, before the rule began too", () =>
  withEngine(async (fixture) => {
    const { engine, streams, wire } = fixture;
    await distribute(fixture, "readings", "names");
    streams.execute('CREATE STREAM readings () WITH (DATASOURCE="readings", TYPE="memory")');
    streams.execute('CREATE TABLE names () WITH (DATASOURCE="names", TYPE="memory", KIND="lookup", KEY="id")');
    // The table opens a moment after it was created; what was published before is not in it.
    const found = async (): Promise<string[]> => {
      wire.send('{"to":"names","id":1,"name":"pump"}', '{"to":"names","id":2,"name":"fan"}');
      const published = () => Number(engine.rules.status("to_names").sink_memory_0_0_records_out_total);
      const before = published();
      await eventually(() => published() === before + 2);
      await engine.rules.create(
        wireRule(
          "r",
          "SELECT readings.v AS v, names.name AS name FROM readings LEFT JOIN names ON readings.id = names.id",
        ),
      );
      wire.send('{"to":"readings","id":2,"v":5}', '{"to":"readings","id":3,"v":6}');
      await eventually(() => wire.written.length === 2);
      await engine.rules.delete("r");
      return wire.written.splice(0);
    };
    let written = await found();
    while (written[0] === '[{"v":5}]') written = await found();
    assert.deepEqual(written, ['[{"name":"fan","v":5}]', '[{"v":6}]']);
  }));

/** A store elsewhere: it answers when it is told to. */
function slowStore() {
  const questions: { readonly id: unknown; answer(rows: Struct[]): void; fail(reason: Error): void }[] = [];
  const connector = defineConnector({
    name: "slow",
    status: "stable",
    summary: "A lookup table that answers later.",
    lookup: {
      summary: "Answers later.",
      opens: "with rule",
      settings: v.strictObject({ datasource: text({ description: "Nothing.", default: "" }) }),
      open: () => ({
        find: (_keys, [id]) =>
          new Promise<Struct[]>((resolve, reject) => questions.push({ id, answer: resolve, fail: reject })),
        close: () => Promise.resolve(),
      }),
    },
    examples: [],
  });
  return { connector, questions };
}

async function withSlowStore(
  work: (fixture: EngineFixture, store: ReturnType<typeof slowStore>["questions"], wire: Wire) => Promise<void>,
): Promise<void> {
  const { connector, questions } = slowStore();
  const wire = new Wire();
  await withEngine(async (fixture) => {
    const { engine, streams } = fixture;
    streams.execute('CREATE STREAM s () WITH (DATASOURCE="t", FORMAT="json", TYPE="wire")');
    streams.execute('CREATE TABLE k () WITH (TYPE="slow", KIND="lookup")');
    await engine.rules.create(
      wireRule("r", "SELECT s.v AS v, k.name AS name FROM s INNER JOIN k ON s.id = k.id WHERE k.name != 'no'"),
    );
    await work(fixture, questions, wire);
  }, { connectors: new ConnectorList([...connectors, wire.connector, connector]) });
}

test("rows keep their order while a lookup table answers later, and its source waits", () =>
  withSlowStore(async ({ engine }, questions, wire) => {
    wire.send('{"id":1,"v":1}', '{"id":2,"v":2}');
    wire.send('{"id":3,"v":3}');
    await eventually(() => questions.length === 2);
    questions[1]!.answer([{ id: 2, name: "b" }]);
    questions[0]!.answer([{ id: 1, name: "a" }, { id: 1, name: "no" }]);
    await eventually(() => questions.length === 3);
    assert.deepEqual(wire.written, ['[{"name":"a","v":1}]', '[{"name":"b","v":2}]']);
    questions[2]!.answer([{ id: 3, name: "c" }]);
    await eventually(() => wire.written.length === 3);
    assert.equal(wire.written[2], '[{"name":"c","v":3}]');
    assert.equal(engine.rules.status("r").source_s_0_records_in_total, 3);
  }));

test("a row whose lookup fails is dropped, counted and told; the others are joined", () =>
  withSlowStore(async ({ engine, log }, questions, wire) => {
    wire.send('{"id":1,"v":1}', '{"id":2,"v":2}');
    await eventually(() => questions.length === 2);
    questions[0]!.fail(new Error("the database is away"));
    questions[1]!.answer([{ id: 2, name: "b" }]);
    await eventually(() => wire.written.length === 1);
    assert.deepEqual(wire.written, ['[{"name":"b","v":2}]']);
    const status = engine.rules.status("r");
    assert.equal(status.op_3_lookup_0_exceptions_total, 1);
    assert.match(String(status.op_3_lookup_0_last_exception), /^E510: .*the database is away/);
    assert.ok(log.some((line) => line.includes("the database is away")));
  }));

test("a rule stops while a lookup table owes it an answer, which then sets nothing off", () =>
  withSlowStore(async ({ engine, log }, questions, wire) => {
    wire.send('{"id":1,"v":1}', '{"id":2,"v":2}');
    await eventually(() => questions.length === 2);
    await engine.rules.stop("r");
    assert.equal(engine.rules.status("r").op_3_lookup_0_dropped_total, 2);
    questions[0]!.answer([{ id: 1, name: "a" }]);
    questions[1]!.fail(new Error("the database is away"));
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual(wire.written, []);
    assert.deepEqual(log.filter((line) => line.includes("A row failed")), []);
  }));

test("a source that a second rule comes to read waits no longer for the answer that the first is owed", async () => {
  const { connector, questions } = slowStore();
  const probe = new Probe();
  await withEngine(async ({ engine, streams }) => {
    streams.execute('CREATE STREAM c () WITH (DATASOURCE="c", TYPE="probe", SHARED="true")');
    streams.execute('CREATE TABLE k () WITH (TYPE="slow", KIND="lookup")');
    const rule = (id: string, sql: string) => JSON.stringify({ id, sql, actions: [{ probe: { to: id } }] });
    await engine.rules.create(rule("r", "SELECT c.v AS v, k.name AS name FROM c INNER JOIN k ON c.id = k.id"));
    await eventually(() => probe.sources.size === 1);
    probe.give("c", '{"id":1,"v":5}');
    await eventually(() => questions.length === 1);
    assert.deepEqual(probe.acknowledged, []);
    await engine.rules.create(rule("second", "SELECT v FROM c"));
    assert.deepEqual(probe.acknowledged, ['{"id":1,"v":5}']);
    questions[0]!.answer([{ id: 1, name: "a" }]);
    await eventually(() => probe.written.r !== undefined);
    assert.deepEqual(probe.written.r, ['[{"name":"a","v":5}]']);
    assert.equal(probe.acknowledged.length, 1);
  }, { connectors: new ConnectorList([...connectors, probe.connector, connector]) });
});
