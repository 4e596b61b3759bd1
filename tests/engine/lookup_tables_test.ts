/**
 * Lookup tables from their creation to their end, without the rules that join with them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connectors as entries } from "../../connectors/mod.ts";
import type { RowSinkRole, SettingsSchema } from "../../src/connector/declare.ts";
import type { RowSink } from "../../src/connector/sink.ts";
import type { Struct } from "../../src/connector/source.ts";
import { DiagnosticError } from "../../src/diagnostics/diagnostic.ts";
import { ConfigRegistry } from "../../src/runtime/configs.ts";
import { connectorConfigs } from "../../src/runtime/connector_configs.ts";
import { ConnectionPool } from "../../src/runtime/connections.ts";
import { LookupKeeper, type LookupLease, LookupTables } from "../../src/runtime/lookup_tables.ts";
import { openRole } from "../../src/runtime/open_role.ts";
import { prepareLookup } from "../../src/runtime/prepare_lookup.ts";
import { StreamRegistry } from "../../src/runtime/streams.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { HandClock } from "../hand_clock.ts";
import { ConnectorList } from "../../src/connector/connector_list.ts";

const signal = new AbortController().signal;

interface Fixture {
  readonly streams: StreamRegistry;
  readonly configs: ConfigRegistry;
  readonly tables: LookupTables;
  readonly log: string[];
  /** Uses the table `name` as a rule would. */
  acquire(name: string): LookupLease;
  /** Publishes rows on a memory topic. */
  publish(topic: string, ...rows: Struct[]): Promise<void>;
}

async function withTables(definitions: readonly string[], work: (fixture: Fixture) => Promise<void>): Promise<void> {
  const store = new MemoryStore();
  const connectors = new ConnectorList(entries);
  await connectors.load(["memory", "file"]);
  const configs = new ConfigRegistry({ store, ...connectorConfigs(connectors) });
  const before = new StreamRegistry({ store });
  for (const sql of definitions) before.execute(sql);
  const streams = new StreamRegistry({ store, configs });
  const clock = new HandClock(0);
  const lines: string[] = [];
  const log = createLog({
    level: "info",
    format: "logfmt",
    write: (line) => void lines.push(line.slice(30).trimEnd()),
  });
  const pool = new ConnectionPool(clock, log);
  const environment = { connectors, configs };
  const tables = new LookupTables({ pool, clock, log });
  const keeper = new LookupKeeper(tables, environment, log);
  streams.watch(keeper);
  await keeper.start(() => streams.list("table"));
  const leases: LookupLease[] = [];
  const memory = connectors.find("memory", "sink")!;
  try {
    await work({
      streams,
      configs,
      tables,
      log: lines,
      acquire: (name) => {
        const lease = tables.acquire(prepareLookup(streams.get(name)!, environment));
        leases.push(lease);
        return lease;
      },
      publish: async (topic, ...rows) => {
        const prepared = {
          connector: memory,
          settings: { topic, rowkindField: "", keyField: "" },
          connection: { settings: {}, named: undefined },
        };
        const open = memory.sink!.open as RowSinkRole<SettingsSchema, never>["open"];
        const sink = await openRole<RowSink>(prepared, open, { pool, clock, log, name: "test" }, () => {});
        await sink.write([rows], signal);
        await sink.close();
      },
    });
  } finally {
    await Promise.all(leases.map((lease) => lease.release()));
    await tables.close();
    assert.deepEqual(pool.anonymous(), []);
  }
}

const create = 'CREATE TABLE t () WITH (TYPE="memory", KIND="lookup", KEY="id", DATASOURCE="devices")';

async function find(lease: LookupLease, id: number): Promise<readonly Struct[]> {
  return await lease.table.keyed(["id"]).find([id], "all");
}

test("a memory lookup table fills from its creation on, also while no rule runs", () =>
  withTables([], async ({ streams, acquire, publish }) => {
    await publish("devices", { id: 1, v: "too early" });
    streams.execute(create);
    await publish("devices", { id: 1, v: "a" }, { id: 2, v: "b" });
    const first = acquire("t");
    assert.deepEqual(await find(first, 1), [{ id: 1, v: "a" }]);
    const second = acquire("t");
    assert.equal(second.table, first.table);
    await first.release();
    await first.release();
    await publish("devices", { id: 1, v: "c" });
    assert.deepEqual(await find(second, 1), [{ id: 1, v: "c" }]);
    await second.release();
    assert.deepEqual(await find(acquire("t"), 2), [{ id: 2, v: "b" }]);
  }));

test("a memory lookup table of a stored definition fills from the start of the agent on", () =>
  withTables([create], async ({ acquire, publish }) => {
    await publish("devices", { id: 1 });
    assert.deepEqual(await find(acquire("t"), 1), [{ id: 1 }]);
  }));

test("a rule keeps the table that was dropped or replaced, and a later one gets the new table", () =>
  withTables([create], async ({ streams, acquire, publish }) => {
    await publish("devices", { id: 1 });
    const old = acquire("t");
    streams.replace("table", "t", create.replace("devices", "others"));
    await publish("others", { id: 2 });
    const next = acquire("t");
    assert.deepEqual([await find(old, 1), await find(old, 2)], [[{ id: 1 }], []]);
    assert.deepEqual([await find(next, 1), await find(next, 2)], [[], [{ id: 2 }]]);
    await next.release();
    streams.drop("table", "t");
    await publish("devices", { id: 3 });
    assert.deepEqual(await find(old, 3), [{ id: 3 }]);
    await old.release();
    await assert.rejects(find(old, 3), /E510|it is closed/);
    streams.execute(create);
    assert.deepEqual(await find(acquire("t"), 1), []);
  }));

test("a table whose settings are wrong is told, and takes nothing else down", () =>
  withTables([
    create,
    'CREATE TABLE bad () WITH (TYPE="memory", KIND="lookup", KEY="id", DATASOURCE="#/a")',
    'CREATE TABLE strange () WITH (TYPE="mqtt", KIND="lookup")',
    'CREATE TABLE scanned () WITH (TYPE="memory", DATASOURCE="x")',
  ], ({ acquire, log }) => {
    assert.deepEqual(log.map((line) => /table=(\w+)/.exec(line)?.[1]), ["bad", "strange"]);
    assert.throws(() => acquire("bad"), /E403/);
    acquire("t");
    return Promise.resolve();
  }));

test("CREATE TABLE refuses a type that has no lookup tables, and names those that have", () =>
  withTables([], ({ streams }) => {
    assert.throws(() => streams.execute('CREATE TABLE f () WITH (KIND="lookup", DATASOURCE="x.json")'), (error) => {
      assert.ok(error instanceof DiagnosticError);
      assert.match(error.message, /^E405: Unknown lookup type "file" \(this version has .*memory/);
      return true;
    });
    assert.equal(streams.get("f"), undefined);
    assert.throws(() => streams.execute(create.replace('KEY="id", ', "")), /E407.*needs a KEY/);
    streams.execute(create);
    assert.throws(() => streams.replace("table", "t", create.replace("memory", "mqtt")), /E405/);
    assert.equal(streams.get("t")!.options.type, "memory");
    return Promise.resolve();
  }));

test("DESCRIBE and EXPLAIN show what makes a lookup table", () =>
  withTables([create], ({ streams, configs }) => {
    assert.match(streams.execute("DESCRIBE TABLE t").text, /KEY: id\n(.*\n)*KIND: lookup\n/);
    configs.putConfKey("source", "memory", "default", { lookup: { cache: true }, rowsMax: 10 });
    assert.deepEqual(JSON.parse(streams.execute("EXPLAIN TABLE t").text), {
      op: "LookupPlan_0",
      table: "t",
      type: "memory",
      format: "json",
      shared: false,
      kind: "lookup",
      key: "id",
      settings: { datasource: "devices", lookup: { cache: true }, rowsMax: 10 },
    });
    return Promise.resolve();
  }));
