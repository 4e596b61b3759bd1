/**
 * Benchmark `tables`: rows written to and looked up in the tables of a database, through the connector `sql`.
 *
 * ```
 * bun tests/bench/tables_bench.ts [--rows 200000] [--database sqlite|postgres|mariadb]… [--json FILE]
 * deno run -A --no-check tests/bench/tables_bench.ts
 * ```
 *
 * Writes are batches of 1,024 messages of one row with six columns, each batch a transaction, as plain inserts, with ids that tell repeats,
 * and as upserts of 1,000 keys. Lookups are the questions of batches of 100 rows, and of one row after the other, in a
 * table of 10,000. Servers are started for it and force nothing to the disk, so this is what the connector itself takes.
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import type { Struct } from "../../src/connector/source.ts";
import { startMariadb } from "../peers/mariadb.ts";
import { startPostgres } from "../peers/postgres.ts";
import { SqlWorld } from "../sql/world.ts";

export interface TablesFigure {
  readonly database: string;
  readonly name: string;
  readonly perSecond: number;
  /** What was there in the end, so that nobody gets faster by leaving something out. */
  readonly count: number;
}

interface Database {
  readonly dburl: string;
  stop(): Promise<void>;
}

const databases: Readonly<Record<string, () => Promise<Database>>> = {
  sqlite: () => {
    const folder = mkdtempSync(join(tmpdir(), "weir-tables-"));
    const stop = () => Promise.resolve(rmSync(folder, { recursive: true }));
    return Promise.resolve({ dburl: `sqlite:${join(folder, "bench.db")}`, stop });
  },
  postgres: async () => {
    const server = await startPostgres();
    return { dburl: urlOf("postgres", server), stop: () => server.stop() };
  },
  mariadb: async () => {
    const server = await startMariadb();
    return { dburl: urlOf("mysql", server), stop: () => server.stop() };
  },
};

function urlOf(
  scheme: string,
  { port, login }: { readonly port: number; readonly login: { user: string; password: string; database: string } },
): string {
  return `${scheme}://${login.user}:${encodeURIComponent(login.password)}@127.0.0.1:${port}/${login.database}`;
}

const batchRows = 1024;
const { signal } = new AbortController();

function reading(n: number): Struct {
  return {
    device: `inverter-${n % 1000}`,
    n: BigInt(n),
    voltage: 230 + (n % 100) / 10,
    current: 14.2,
    running: n % 2 === 0,
    note: "as it should be",
  };
}

async function writes(world: SqlWorld, database: string, rows: number): Promise<TablesFigure[]> {
  const figures: TablesFigure[] = [];
  const cases: [name: string, settings: Record<string, unknown>][] = [
    ["insert", { table: "inserted" }],
    ["insert with ids", { table: "identified", idColumn: "id" }],
    ["upsert", { table: "upserted", keyField: "device", writeMode: "upsert" }],
  ];
  for (const [name, settings] of cases) {
    const sink = await world.sink({ ...settings, createTable: true });
    const begin = performance.now();
    for (let at = 0; at < rows; at += batchRows) {
      const numbers = Array.from({ length: Math.min(batchRows, rows - at) }, (_, i) => at + i);
      await sink.write(numbers.map((n) => [reading(n)]), signal, numbers.map((n) => `bench-${n}`));
    }
    const perSecond = rows / ((performance.now() - begin) / 1000);
    const [counted] = await world.rows({
      templateSqlQueryCfg: { templateSql: `SELECT count(*) AS n FROM ${settings.table}` },
    });
    figures.push({ database, name, perSecond, count: Number(counted!.n) });
  }
  return figures;
}

async function lookups(world: SqlWorld, database: string, questions: number): Promise<TablesFigure[]> {
  const sink = await world.sink({ table: "devices", createTable: true, keyField: "id" });
  await sink.write(
    Array.from({ length: 10_000 }, (_, n) => [{ id: BigInt(n), hall: `hall ${n % 7}`, limit_t: 40.5 }]),
    signal,
  );
  const lookup = await world.lookup({ datasource: "devices" });
  const keys = ["id"];
  const columns = ["hall", "limit_t"];
  const figures: TablesFigure[] = [];
  for (const together of [100, 1]) {
    let count = 0;
    const total = together === 1 ? Math.ceil(questions / 4) : questions;
    const begin = performance.now();
    for (let at = 0; at < total; at += together) {
      const asked = Array.from(
        { length: together },
        (_, i) => lookup.find(keys, [BigInt(((at + i) * 7919) % 10_000)], columns, signal),
      );
      for (const rows of await Promise.all(asked)) count += rows.length;
    }
    const perSecond = count / ((performance.now() - begin) / 1000);
    figures.push({ database, name: `lookup, ${together} together`, perSecond, count });
  }
  await lookup.close();
  return figures;
}

export async function benchTables(names: readonly string[], rows: number): Promise<TablesFigure[]> {
  const figures: TablesFigure[] = [];
  for (const name of names) {
    const start = databases[name];
    if (start === undefined) throw new Error(`Unknown database "${name}": wanted ${Object.keys(databases).join(", ")}`);
    const database = await start();
    const world = new SqlWorld({ dburl: database.dburl });
    try {
      figures.push(...await writes(world, name, rows), ...await lookups(world, name, Math.ceil(rows / 4)));
    } finally {
      await world.close();
      await database.stop();
    }
  }
  return figures;
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: "string", default: "200000" },
      database: { type: "string", multiple: true, default: Object.keys(databases) },
      json: { type: "string" },
    },
  });
  const figures = await benchTables(values.database, Number(values.rows));
  for (const { database, name, perSecond, count } of figures) {
    console.log(
      `${database.padEnd(10)}${name.padEnd(24)}${Math.round(perSecond).toLocaleString("en").padStart(10)} /s  ${count}`,
    );
  }
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(figures, null, 2) + "\n");
}

if (import.meta.main) await main(process.argv.slice(2));
