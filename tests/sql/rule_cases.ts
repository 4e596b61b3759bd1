/**
 * Rules over a database server, as users write them: what they do when the server and the agent die.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Struct } from "../../src/connector/source.ts";
import { maskSecrets } from "../../src/runtime/secrets.ts";
import { World } from "../durable/world.ts";
import { wireRule, wireStream, withEngine } from "../engine/engine.ts";
import { eventually } from "../eventually.ts";
import { type ServerKind, type SqlServer, urlOf } from "./server_kind.ts";

const rows = (from: number, count: number): Struct[] =>
  Array.from({ length: count }, (_, i) => ({ n: BigInt(from + i), s: `row ${from + i}` }));

/** Registers the cases. */
export function ruleCases(kind: ServerKind, running: () => Promise<SqlServer>): void {
  const name = `${kind.scheme} rules`;

  test(`${name}: rows are joined with a table and written to another`, async () => {
    const server = await running();
    server.sql(
      "CREATE TABLE devices (id VARCHAR(20) PRIMARY KEY, hall VARCHAR(20), max_t DOUBLE PRECISION); " +
        "INSERT INTO devices VALUES ('a', 'north', 30), ('b', 'south', 40); " +
        "CREATE TABLE alerts (device VARCHAR(20), hall VARCHAR(20), t DOUBLE PRECISION);",
    );
    await withEngine(async ({ engine, streams, configs, wire, log }) => {
      configs.putConfKey("source", "sql", "plant", { dburl: urlOf(kind, server) });
      streams.execute(wireStream);
      streams.execute(
        'CREATE TABLE devices () WITH (DATASOURCE="devices", TYPE="sql", CONF_KEY="plant", KIND="lookup", KEY="id")',
      );
      const sql = "SELECT s.id AS device, devices.hall, s.t FROM s INNER JOIN devices ON s.id = devices.id " +
        "WHERE s.t > devices.max_t";
      // As people make one, with REST.
      configs.createConnection({ id: "cellar", type: "sql", settings: { dburl: urlOf(kind, server) } });
      await engine.live.changed("cellar");
      await eventually(() => engine.live.status("cellar")?.state === "connected");
      const action = { connectionSelector: "cellar", table: "alerts" };
      await engine.rules.create(wireRule("r", sql, { actions: [{ sql: action }] }));
      wire.send('{"id":"a","t":31}', '{"id":"b","t":31}', '{"id":"c","t":99}');
      wire.send('{"id":"b","t":41.5}');
      await eventually(() => server.sql("SELECT count(*) FROM alerts") === "2", 20_000);
      const found = server.sql("SELECT device, hall, t FROM alerts ORDER BY device").replaceAll(/[\t|]/g, " ");
      assert.equal(found, "a north 31\nb south 41.5");
      assert.deepEqual(engine.live.usersOf("cellar"), ["r"]);
      const connections = engine.live.anonymous().map(({ settings }) => maskSecrets(settings));
      const shown = JSON.stringify([connections, configs.confKeys("source", "sql"), engine.rules.get("r"), log]);
      assert.doesNotMatch(shown, /s3cret/);
    });
  });

  test(`${name}: with qos 1 and ids, each row is written once while the server and the agent are killed`, async () => {
    const server = await running();
    await World.with(async (world) => {
      const { tape } = world;
      const action = {
        sql: {
          dburl: urlOf(kind, server),
          table: "once",
          createTable: true,
          idColumn: "id",
          batchSize: 5,
          lingerInterval: 10,
        },
      };
      await world.define("SELECT n, s FROM s", { qos: 1 }, "r", [action]);
      const count = () => {
        try {
          return Number(server.sql("SELECT count(*) FROM once"));
        } catch {
          // It has not been made yet.
          return 0;
        }
      };
      for (let round = 0; round < 3; round++) {
        const from = round * 1000;
        for (let i = 0; i < 20; i++) tape.add(rows(from + i * 50, 50));
        // In the midst of it.
        await eventually(() => count() > from + 50, 20_000);
        await server.kill();
        if (round === 1) {
          world.kill();
          await world.start();
        }
        await server.start();
        await eventually(() => count() === from + 1000, 30_000);
      }
      const sums = server.sql("SELECT count(*), count(DISTINCT n), sum(n) FROM once").split(/[\t|]/).map(Number);
      assert.deepEqual(sums, [3000, 3000, 3000 * 2999 / 2]);
      assert.equal(server.sql("SELECT count(*) FROM once WHERE s = 'row 1234'"), "1");
    });
  });

  test(`${name}: with qos 1, each row of a table is read once while the server and the agent are killed`, async () => {
    const server = await running();
    server.sql(`CREATE TABLE feed (id ${kind.serial} PRIMARY KEY, n INT)`);
    const insert = (from: number) =>
      server.sql(`INSERT INTO feed (n) VALUES ${rows(from, 300).map(({ n }) => `(${n})`).join(", ")}`);
    await World.with(async (world) => {
      const { tape } = world;
      const config = { interval: "20ms", internalSqlQueryCfg: { table: "feed", limit: 40, indexField: "id" } };
      const extra = JSON.stringify({ dburl: urlOf(kind, server), ...config }).replaceAll("\\", "\\\\").replaceAll(
        '"',
        '\\"',
      );
      world.streams.execute(`CREATE STREAM s () WITH (TYPE="sql", EXTRA="${extra}")`);
      insert(0);
      await world.define("SELECT n FROM s", { qos: 1 }, "r", [{ tape: { sendSingle: true } }]);
      const got = () => tape.received.map(({ text }) => (JSON.parse(text) as { n: number }).n);
      await eventually(() => got().length > 60, 20_000);
      await server.kill();
      world.kill();
      await world.start();
      await server.start();
      insert(300);
      await eventually(() => new Set(got()).size === 600, 30_000);
      server.dropClients();
      insert(600);
      await eventually(() => new Set(got()).size === 900, 30_000);
      // The sink remembers ids: what is sent again after a kill has the same.
      const byId = new Map(tape.received.map(({ id, text }) => [id, text]));
      assert.equal(byId.size, 900);
    });
  });
}
