/**
 * The connector against SQLite, with files read and written by other connections.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { conformance } from "../../src/connector/conformance.ts";
import { sql } from "./mod.ts";

/** A file with a connection of its own, as another program would have it. */
function openPeer() {
  const folder = mkdtempSync(join(tmpdir(), "weir-sql-"));
  const file = join(folder, "plant.db");
  const database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 2000");
  const close = () => {
    database.close();
    rmSync(folder, { recursive: true, force: true });
    return Promise.resolve();
  };
  return { database, connection: { dburl: `sqlite:${file}` }, close };
}

conformance(sql, {
  givesPositions: true,
  source: () => {
    const { database, connection, close } = openPeer();
    database.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)");
    const insert = database.prepare("INSERT INTO t (n) VALUES (?)");
    return {
      connection,
      settings: () => ({ interval: "20ms", internalSqlQueryCfg: { table: "t", limit: 7, indexField: "id" } }),
      send: (values) => values.forEach((n) => insert.run(n)),
      close,
    };
  },
  lookup: () => {
    const { database, connection, close } = openPeer();
    database.exec("CREATE TABLE devices (id INTEGER PRIMARY KEY, kind TEXT)");
    const insert = database.prepare("INSERT INTO devices VALUES (?, ?)");
    return {
      connection,
      settings: { datasource: "devices" },
      fill: (rows) => rows.forEach(({ id, kind }) => insert.run(id as bigint, kind as string)),
      close,
    };
  },
  sink: () => {
    const { database, connection, close } = openPeer();
    database.exec("CREATE TABLE t (n INTEGER, id TEXT UNIQUE)");
    const column = (name: string) => database.prepare("SELECT * FROM t ORDER BY rowid").all().map((row) => row[name]);
    return {
      connection,
      settings: { table: "t", idColumn: "id" },
      received: () => column("n").map(Number),
      receivedIds: () => column("id").map(String),
      close,
    };
  },
});
