/**
 * Tables that live on files and on other rules: what joins with them sees, and what keeps a rule running.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { type EngineFixture, wireRule, wireStream, withEngine } from "./engine.ts";

function inFolder(work: (folder: string, fixture: EngineFixture) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "weir-tables-"));
  return withEngine((fixture) => work(folder, fixture)).finally(() => rmSync(folder, { recursive: true }));
}

test("a rule joins its stream with a CSV file, and goes on when the file has been read", () =>
  inFolder(async (folder, { engine, streams, configs, wire }) => {
    writeFileSync(join(folder, "devices.csv"), 'id,name\n1,pump\n2,"valve, big"\n');
    configs.putConfKey("source", "file", "devices", { fileType: "csv", hasHeader: true, path: folder });
    streams.execute(wireStream);
    streams.execute(
      'CREATE TABLE devices (id BIGINT, name STRING) WITH (DATASOURCE="devices.csv", CONF_KEY="devices")',
    );
    const sql = "SELECT s.v AS v, devices.name AS name FROM s INNER JOIN devices ON s.id = devices.id";
    await engine.rules.create(wireRule("r", sql));
    await eventually(() => engine.rules.status("r").source_devices_0_records_out_total === 2);
    wire.send('{"id":2,"v":1}', '{"id":3,"v":2}');
    wire.send('{"id":1,"v":3}');
    await eventually(() => wire.written.length === 2);
    assert.deepEqual(wire.written, ['[{"name":"valve, big","v":1}]', '[{"name":"pump","v":3}]']);
    assert.equal(engine.rules.status("r").status, "running");
    assert.deepEqual(engine.rules.usersOf("devices"), ["r"]);
  }));

test("a file table keeps the newest RETAIN_SIZE rows", () =>
  inFolder(async (folder, { engine, streams, wire }) => {
    const path = join(folder, "many.json");
    writeFileSync(path, JSON.stringify(Array.from({ length: 2500 }, (_, id) => ({ id, twice: id * 2 }))));
    streams.execute(wireStream);
    streams.execute(`CREATE TABLE many () WITH (DATASOURCE="${path}", RETAIN_SIZE="2000")`);
    const sql = "SELECT s.id AS id, many.twice AS twice FROM s LEFT JOIN many ON s.id = many.id";
    await engine.rules.create(wireRule("r", sql));
    await eventually(() => engine.rules.status("r").source_many_0_records_out_total === 2500);
    wire.send('{"id":499}', '{"id":500}', '{"id":2499}');
    await eventually(() => wire.written.length === 3);
    assert.deepEqual(wire.written, ['[{"id":499}]', '[{"id":500,"twice":1000}]', '[{"id":2499,"twice":4998}]']);
  }));

test("a rule changes a memory lookup table that another rule asks, also while that one is stopped", () =>
  withEngine(async ({ engine, streams, wire }) => {
    streams.execute(wireStream.replace("WITH (", 'WITH (SHARED="true", '));
    streams.execute('CREATE TABLE devices () WITH (TYPE="memory", DATASOURCE="devices", KIND="lookup", KEY="id")');
    const memory = { topic: "devices", rowkindField: "action", keyField: "id", sendSingle: true };
    const write = { id: "write", sql: "SELECT id, name, action FROM s WHERE action != ''", actions: [{ memory }] };
    await engine.rules.create(JSON.stringify(write));
    const written = () => Number(engine.rules.status("write").sink_memory_0_0_records_out_total);
    wire.send('{"id":1,"name":"pump","action":"insert"}', '{"id":2,"name":"fan","action":"insert"}');
    wire.send('{"id":1,"action":"delete"}', '{"id":2,"name":"big fan","action":"update"}');
    wire.send('{"id":3,"name":"mill","action":"upsert"}', '{"id":4,"name":"none","action":"update"}');
    await eventually(() => written() === 6);
    const sql = "SELECT s.id AS id, devices.name AS name FROM s INNER JOIN devices ON s.id = devices.id " +
      "AND devices.name != 'mill' WHERE s.action = ''";
    await engine.rules.create(wireRule("ask", sql));
    wire.send(...[1, 2, 3, 4].map((id) => JSON.stringify({ id, action: "" })));
    await eventually(() => wire.written.length === 1);
    assert.deepEqual(wire.written, ['[{"id":2,"name":"big fan"}]']);
    assert.deepEqual(engine.rules.usersOf("devices"), ["ask"]);
  }));

test("a rule that asks a table counts as a user of the table's named connection", () =>
  withEngine(async ({ engine, streams, configs }) => {
    configs.createConnection({ id: "bus", type: "memory", settings: {} });
    await engine.live.changed("bus");
    streams.execute(wireStream);
    streams.execute(
      'CREATE TABLE devices () WITH (TYPE="memory", DATASOURCE="d", KIND="lookup", KEY="id", ' +
        `EXTRA='{"connectionSelector":"bus"}')`,
    );
    const sql = "SELECT s.id AS id FROM s INNER JOIN devices ON s.id = devices.id";
    await engine.rules.create(wireRule("ask", sql));
    assert.deepEqual(engine.live.usersOf("bus"), ["ask"]);
    await engine.rules.stop("ask");
    assert.deepEqual(engine.live.usersOf("bus"), []);
    // The table itself still fills.
    assert.equal(engine.live.status("bus")?.refCount, 1);
    streams.drop("table", "devices");
    await eventually(() => engine.live.status("bus")?.refCount === 0);
  }));
