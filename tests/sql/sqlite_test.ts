/**
 * The tables of SQLite, in a file that another connection reads and writes as well.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { Disconnected } from "../../src/connector/errors.ts";
import { World } from "../durable/world.ts";
import { eventually } from "../eventually.ts";
import { tableCases } from "./table_cases.ts";
import { messages, SqlWorld } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "weir-sql-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const { signal } = new AbortController();

/** Runs statements in a file, and gives the rows as psql prints them. */
function run(file: string, text: string): string {
  const database = new DatabaseSync(file);
  try {
    database.exec("PRAGMA busy_timeout = 2000");
    if (!/^select/i.test(text)) {
      database.exec(text);
      return "";
    }
    return database.prepare(text).all().map((row) => Object.values(row).join("|")).join("\n");
  } finally {
    database.close();
  }
}

const file = join(folder, "plant.db");

tableCases({
  scheme: "sqlite",
  columns: "i BIGINT, f DOUBLE, d DECIMAL(10, 2), s TEXT, b BOOLEAN, t DATETIME, y BLOB, j JSON",
  shortLocks: "SELECT 1",
}, () => Promise.resolve({ dburl: `sqlite:${file}`, sql: (text) => run(file, text) }));

test("sqlite: a file that cannot be opened is told, and opened when it can be", async () => {
  const world = new SqlWorld({ dburl: `sqlite:${folder}/later/plant.db` });
  await eventually(() => world.state.startsWith("disconnected"));
  assert.match(world.state, /Cannot open the database ".*later\/plant\.db"/);
  const sink = await world.sink({ table: "t", createTable: true });
  await assert.rejects(sink.write(messages({ n: 1n }), signal), Disconnected);
  await world.close();
});

test("sqlite: a file that may only be read is not made", async () => {
  const path = join(folder, "nothing.db");
  const world = new SqlWorld({ dburl: `sqlite:${path}?mode=ro` });
  await eventually(() => world.state.startsWith("disconnected"));
  await world.close();
  assert.equal(existsSync(path), false);
});

test("sqlite: lookups answer in place once they know the table, and notice when it changes", async () => {
  run(
    file,
    "CREATE TABLE devices (id INTEGER PRIMARY KEY, kind TEXT); INSERT INTO devices VALUES (1, 'pump'), (2, 'valve')",
  );
  const world = new SqlWorld({ dburl: `sqlite:${file}` });
  const lookup = await world.lookup({ datasource: "devices" });
  const keys = ["id"];
  await lookup.find(keys, [1n], "all", signal);
  assert.deepEqual(lookup.find(keys, [2n], "all", signal), [{ id: 2n, kind: "valve" }]);
  run(file, "ALTER TABLE devices RENAME COLUMN kind TO sort");
  assert.deepEqual(await lookup.find(keys, [1], "all", signal), [{ id: 1n, sort: "pump" }]);
  assert.deepEqual(lookup.find(keys, [2], "all", signal), [{ id: 2n, sort: "valve" }]);
  await lookup.close();
  await world.close();
});

test("sqlite rules: a path belongs below the data directory, and not to weir's own files", () =>
  World.with(async (world) => {
    const state = (id: string) => JSON.stringify(world.engine.rules.status(id));
    for (const [id, path] of [["own", "weir.db"], ["out", "../plant.db"]] as const) {
      await world.define("SELECT n FROM s", {}, id, [{
        sql: { dburl: `sqlite:${path}`, table: "t", createTable: true },
      }]);
      world.tape.add([{ n: 1n }]);
      await eventually(() => /belongs to weir itself|leads out of the data directory/.test(state(id)));
    }
  }));

test("sqlite rules: with qos 1 and ids, each row is written once while the agent is killed", () =>
  World.with(async (world) => {
    const rows = (from: number) => Array.from({ length: 50 }, (_, i) => ({ n: BigInt(from + i) }));
    const path = join(folder, "once.db");
    const action = {
      sql: {
        dburl: `sqlite:${path}`,
        table: "once",
        createTable: true,
        idColumn: "id",
        batchSize: 7,
        lingerInterval: 5,
      },
    };
    await world.define("SELECT n FROM s", { qos: 1 }, "r", [action]);
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 10; i++) world.tape.add(rows(round * 500 + i * 50));
      const count = () =>
        existsSync(path) ? Number(run(path, "SELECT count(*) FROM sqlite_schema WHERE name = 'once'")) : 0;
      await eventually(() => count() === 1 && Number(run(path, "SELECT count(*) FROM once")) > round * 500 + 20);
      world.kill();
      await world.start();
      await eventually(() => Number(run(path, "SELECT count(*) FROM once")) === (round + 1) * 500, 30_000);
    }
    assert.equal(run(path, "SELECT count(*), count(DISTINCT n), sum(n) FROM once"), `2000|2000|${2000 * 1999 / 2}`);
  }));
