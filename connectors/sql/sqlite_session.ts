/**
 * A SQLite file, through the engine's own `node:sqlite`.
 *
 * Statements run in place: what they take, all rules wait for. So a file that another process has locked is not waited for,
 * and results are bounded.
 * @module
 */
import { existsSync, statSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Struct, Value } from "../../src/connector/source.ts";
import { fromJson, readTime } from "./found_value.ts";
import {
  type Bound,
  type ColumnKind,
  columnPlace,
  type ExactValue,
  type Found,
  type FoundColumn,
  type RunOptions,
  type Session,
  SqlError,
  type SqlErrorKind,
  tooManyRows,
} from "./session.ts";

/** Waiting blocks the agent, so it is short; the engine tries again later. */
const busyTimeoutMs = 20;
/** Statements that are kept prepared. */
const statementsMax = 100;

/** What statements of one SQL text need to run again. */
interface Prepared {
  readonly statement: StatementSync;
  /** Empty for a statement that gives no rows. */
  readonly columns: readonly FoundColumn[];
  /** The columns whose values are not what SQLite stores. */
  readonly converted: readonly FoundColumn[];
}

export class SqliteSession implements Session {
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, Prepared>();
  isOpen = true;

  constructor(path: string, isReadOnly: boolean) {
    try {
      const isNew = path === ":memory:" || !existsSync(path) || statSync(path).size === 0;
      this.#database = new DatabaseSync(path, { readOnly: isReadOnly });
      this.#database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
      // Files of others stay as they are.
      if (isNew && !isReadOnly) this.#database.exec("PRAGMA journal_mode = WAL");
      const { journal_mode: mode } = this.#database.prepare("PRAGMA journal_mode").get()!;
      // With a write-ahead log that is as safe as ever when the process dies, and fast.
      if (mode === "wal") this.#database.exec("PRAGMA synchronous = NORMAL");
    } catch (error) {
      throw new SqlError("disconnected", `Cannot open the database "${path}": ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  // Not async itself, but what it throws must become a rejection.
  // deno-lint-ignore require-await
  async run(sql: string, values: readonly Bound[], options: RunOptions): Promise<Found> {
    return this.runNow(sql, values, options);
  }

  runNow(sql: string, values: readonly Bound[], options: RunOptions): Found {
    const { rowsMax, exact = [], isLimited = false, isRepeated = false } = options;
    try {
      const prepared = isRepeated ? this.#kept(sql) : this.#prepare(sql);
      const { statement, columns } = prepared;
      if (columns.length === 0) {
        statement.run(...values);
        return { columns, rows: [], exact: [] };
      }
      const rows = upTo(rowsMax, isLimited ? statement.all(...values) : statement.iterate(...values));
      if (rows.length > rowsMax) throw tooManyRows(rowsMax);
      const places = exact.map((name) => columns[columnPlace(columns, name)]?.name ?? name);
      const exactRows = exact.length === 0 ? [] : rows.map((row) => places.map((name) => exactOf(row[name])));
      for (const column of prepared.converted) for (const row of rows) convert(row, column);
      return { columns, rows, exact: exactRows };
    } catch (error) {
      throw sqliteError(error);
    }
  }

  #kept(sql: string): Prepared {
    const prepared = this.#prepared.get(sql) ?? this.#prepare(sql);
    // The map is in the order of use.
    this.#prepared.delete(sql);
    this.#prepared.set(sql, prepared);
    if (this.#prepared.size > statementsMax) this.#prepared.delete(this.#prepared.keys().next().value!);
    return prepared;
  }

  #prepare(sql: string): Prepared {
    const statement = this.#database.prepare(sql);
    statement.setReadBigInts(true);
    const columns = statement.columns().map(({ name, type }): FoundColumn => ({ name, kind: kindOf(type) }));
    return { statement, columns, converted: columns.filter(({ kind }) => kind !== "any") };
  }

  close(): Promise<void> {
    this.destroy();
    return Promise.resolve();
  }

  destroy(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#prepared.clear();
    this.#database.close();
  }
}

/** One row more than `rowsMax`, if there are so many. */
function upTo(rowsMax: number, found: Iterable<unknown>): Struct[] {
  const rows: Struct[] = [];
  for (const row of found) {
    // Theirs have no prototype, as no other row of a rule.
    rows.push({ ...row as Struct });
    if (rows.length > rowsMax) break;
  }
  return rows;
}

/** Declared types are only hints: those whose values SQLite has no form of its own for. */
function kindOf(type: string | null): ColumnKind {
  const name = type?.toLowerCase().replace(/\(.*/, "").trim() ?? "";
  if (["datetime", "timestamp", "date", "timestamptz"].includes(name)) return "datetime";
  if (["boolean", "bool"].includes(name)) return "boolean";
  return ["json", "jsonb"].includes(name) ? "json" : "any";
}

function convert(row: Struct, { name, kind }: FoundColumn): void {
  const value = row[name];
  if (kind === "boolean" && (value === 0n || value === 1n)) row[name] = value === 1n;
  if (typeof value !== "string") return;
  if (kind === "datetime") row[name] = readTime(value) ?? value;
  if (kind === "json") row[name] = fromJson(value);
}

function exactOf(value: Value): ExactValue {
  return typeof value === "string" || typeof value === "number" || typeof value === "bigint" ? value : null;
}

const meanings: readonly [kind: SqlErrorKind, codes: readonly number[], texts: RegExp][] = [
  ["later", [5, 6, 13], /is locked|is full/],
  ["unique", [2067, 1555, 2579], /UNIQUE constraint failed/],
  ["row", [18, 19, 20], /constraint failed|has no column named|no such column|datatype mismatch|too big/],
  ["missing", [], /no such table/],
  ["disconnected", [8, 10, 11, 14, 26], /unable to open|readonly|disk I\/O|malformed|not a database/],
];

function sqliteError(error: unknown): unknown {
  if (error instanceof SqlError || !(error instanceof Error)) return error;
  const { errcode } = error as { errcode?: number };
  const found = meanings.find(([, codes, texts]) =>
    // The low byte is the primary result code, the rest refines it.
    codes.some((code) => code === errcode || code === (errcode ?? 0) % 256) || texts.test(error.message)
  );
  return new SqlError(found?.[0] ?? "statement", error.message, { cause: error });
}
