/**
 * The store of a running agent: one SQLite database in WAL mode, `weir.db` in the data directory.
 *
 * With `synchronous=NORMAL` a committed transaction survives the death of the process; the last ones may be missing
 * after a power cut, and the database is intact in either case.
 *
 * @example
 * ```ts
 * const { store, delivery, notices } = openStore("/var/lib/weir");
 * store.put("stream", "demo", 'CREATE STREAM demo () WITH (DATASOURCE="t/1")');
 * store.close();
 * ```
 * @module
 */
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { type Diagnostic, diagnostic, fail } from "../diagnostics/diagnostic.ts";
import type { AuditLog } from "../audit/audit_log.ts";
import { type DataDir, holdDataDir } from "./data_dir.ts";
import type { DeliveryStore } from "./delivery_store.ts";
import { migrations, schemaVersion } from "./migrations/migrations.ts";
import { SqliteAuditLog } from "./sqlite_audit_log.ts";
import { SqliteDelivery } from "./sqlite_delivery.ts";
import { Damaged, sqliteFailure } from "./sqlite_failure.ts";
import type { Definition, DefinitionKind, Store } from "./store.ts";
import { StoreError } from "./store_error.ts";

/** A full check reads every page; beyond this size it would delay the start noticeably. */
const fullCheckBytesMax = 32 * 1024 * 1024;
const busyTimeoutMs = 2000;
/** What the write-ahead log is cut down to after it was longer. It starts over every 1,000 pages of 4 KiB. */
const walBytesKept = 16 * 1024 * 1024;
/** No weir will ever have a higher one. */
const schemaVersionMax = 10_000;
/** "weir" in ASCII: tells `file` and other tools whose database it is. */
const applicationId = 0x77656972;

const tables = [
  "definition",
  "delivery_rule",
  "checkpoint",
  "input_log",
  "source_position",
  "outbox_queue",
  "outbox",
  "dead_letter",
  "audit",
  "audit_anchor",
];

function userVersion(database: DatabaseSync): number {
  return Number((database.prepare("PRAGMA user_version").get() as { user_version: number }).user_version);
}

function tableCount(database: DatabaseSync): number {
  return Number(database.prepare("SELECT count(*) AS n FROM sqlite_schema").get()!.n);
}

/** Stands beside a database in which something damaged was found while it was used. */
function suspicion(file: string): string {
  return `${file}.suspect`;
}

/** Has the database checked as a whole at the next start, however large it is. */
function suspect(file: string): void {
  try {
    if (!existsSync(suspicion(file))) writeFileSync(suspicion(file), "", { mode: 0o600 });
  } catch {
    // Whoever met the damage is told of that.
  }
}

function check(database: DatabaseSync, file: string, bytes: number): void {
  const isSuspect = existsSync(suspicion(file));
  const pragma = isSuspect ? "integrity_check" : bytes <= fullCheckBytesMax ? "quick_check" : undefined;
  if (pragma === undefined) return;
  const found = String(Object.values(database.prepare(`PRAGMA ${pragma}(1)`).get() ?? {})[0]);
  if (found !== "ok") throw new Damaged(found);
  if (isSuspect) rmSync(suspicion(file), { force: true });
}

/** SQLite opens a database whose header asks for a later writer, but for reading only. */
function checkWritable(database: DatabaseSync, file: string): void {
  try {
    // Beginning alone would not tell.
    database.exec("BEGIN IMMEDIATE; PRAGMA user_version = 0");
  } catch (error) {
    const writeVersion = readFileSync(file)[18] ?? 0;
    if (sqliteFailure(error) === "unusable" && writeVersion > 2) throw new Damaged(`its format is ${writeVersion}`);
    throw error;
  } finally {
    if (database.isTransaction) database.exec("ROLLBACK");
  }
}

/**
 * Rebuilds a database from before space was given back, when it held definitions only and was small. Without the room
 * for a second copy it stays as it is, and its space is used again but not given back.
 */
function letShrink(database: DatabaseSync): void {
  if (database.prepare("PRAGMA auto_vacuum").get()!.auto_vacuum !== 0) return;
  try {
    database.exec("PRAGMA auto_vacuum = INCREMENTAL; VACUUM");
  } catch (error) {
    if (sqliteFailure(error) !== "full") throw error;
  }
}

function migrate(database: DatabaseSync, file: string): void {
  const found = userVersion(database);
  if (found < 0 || found > schemaVersionMax) throw new Damaged(`its schema version is ${found}`);
  if (found > schemaVersion) {
    fail(
      "E603",
      `The database "${file}" has schema version ${found}: this weir knows versions up to ${schemaVersion}`,
      {
        hint: "run the weir that wrote it, or a newer one",
      },
    );
  }
  if (found === 0 && tableCount(database) > 0) throw new Damaged("it holds tables without a schema version");
  if (found < schemaVersion) letShrink(database);
  for (const migration of migrations) {
    if (migration.version <= found) continue;
    // One transaction a step, so that an interrupted migration goes on where it stopped.
    database.exec(`BEGIN IMMEDIATE; ${migration.sql}; PRAGMA user_version = ${migration.version}; COMMIT`);
  }
}

/** Definitions hold passwords. SQLite gives the files beside the database the mode of the database itself. */
function protect(file: string): void {
  try {
    if (!existsSync(file)) writeFileSync(file, "", { mode: 0o600 });
    for (const each of [file, `${file}-wal`, `${file}-shm`]) if (existsSync(each)) chmodSync(each, 0o600);
  } catch {
    // A file of somebody else is not ours to protect, and what cannot be written is told by the opening.
  }
}

function openDatabase(file: string): DatabaseSync {
  protect(file);
  const bytes = existsSync(file) ? statSync(file).size : 0;
  const database = new DatabaseSync(file);
  try {
    // Only before the first page is written.
    if (bytes === 0) database.exec("PRAGMA auto_vacuum = INCREMENTAL");
    database.exec(
      `PRAGMA busy_timeout = ${busyTimeoutMs}; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; ` +
        `PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = ${walBytesKept}`,
    );
    check(database, file, bytes);
    checkWritable(database, file);
    migrate(database, file);
    if (bytes === 0) database.exec(`PRAGMA application_id = ${applicationId}`);
    // A file that claims our version and lacks our tables is as useless as one that cannot be read.
    const missing = tables.filter((name) =>
      database.prepare("SELECT 1 FROM sqlite_schema WHERE name = ?").get(name) === undefined
    );
    if (missing.length > 0) throw new Damaged(`these tables are missing: ${missing.join(", ")}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Moves the database and its companions out of the way; returns the new name. */
function setAside(file: string, now: number): string {
  const stamp = new Date(now).toISOString().replaceAll(/[:.]/g, "-");
  let target = `${file}.damaged-${stamp}`;
  for (let n = 2; existsSync(target); n++) target = `${file}.damaged-${stamp}-${n}`;
  for (const suffix of ["", "-wal", "-shm"]) {
    if (existsSync(file + suffix)) renameSync(file + suffix, target + suffix);
  }
  rmSync(suspicion(file), { force: true });
  return target;
}

export interface OpenedStore {
  readonly store: Store;
  /** Shares the database with the store, and closes with it. */
  readonly delivery: DeliveryStore;
  /** Shares it, too. */
  readonly audit: AuditLog;
  /** What the operator should know: E602 when a damaged database was set aside. */
  readonly notices: readonly Diagnostic[];
}

/**
 * Opens the store in a data directory, which is made when it is absent and held until the store closes. A damaged
 * database is renamed to `weir.db.damaged-<time>` and a new one is started. Damage that is met only later is told with a
 * {@linkcode StoreError}, and has the whole database checked at the next start.
 *
 * @param now Unix milliseconds, for the name of a damaged database.
 * @throws {DiagnosticError} E601 when the directory cannot be used or another weir holds it; E603 when the database is
 * newer than this weir.
 */
export function openStore(directory: string, now: () => number = Date.now): OpenedStore {
  const dataDir = holdDataDir(directory);
  const file = join(directory, "weir.db");
  const notices: Diagnostic[] = [];
  try {
    let database: DatabaseSync;
    try {
      database = openDatabase(file);
    } catch (error) {
      if (sqliteFailure(error) !== "damaged") throw error;
      const target = setAside(file, now());
      notices.push(
        diagnostic("E602", `The database "${file}" is damaged: ${(error as Error).message}`, {
          hint: `it was set aside as "${target}" and a new one was started; restore a backup or create the rules again`,
        }),
      );
      database = openDatabase(file);
    }
    const onDamaged = () => suspect(file);
    const delivery = new SqliteDelivery({ database, file, onDamaged });
    const audit = new SqliteAuditLog(database, onDamaged);
    return { store: new SqliteStore(database, dataDir, delivery, onDamaged), delivery, audit, notices };
  } catch (error) {
    dataDir.release();
    if (["unusable", "full", "busy"].includes(sqliteFailure(error))) {
      fail("E601", `Cannot open the database "${file}": ${(error as Error).message}`);
    }
    throw error;
  }
}

class SqliteStore implements Store {
  readonly directory: string;
  readonly #database: DatabaseSync;
  readonly #dataDir: DataDir;
  readonly #delivery: DeliveryStore;
  readonly #get: StatementSync;
  readonly #list: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #onDamaged: () => void;
  #depth = 0;
  #closed = false;

  constructor(database: DatabaseSync, dataDir: DataDir, delivery: DeliveryStore, onDamaged: () => void) {
    this.#onDamaged = onDamaged;
    this.#database = database;
    this.#delivery = delivery;
    this.#dataDir = dataDir;
    this.directory = resolve(dataDir.path);
    this.#get = database.prepare("SELECT text FROM definition WHERE kind = ? AND name = ?");
    this.#list = database.prepare("SELECT name, text FROM definition WHERE kind = ? ORDER BY name");
    this.#put = database.prepare("INSERT OR REPLACE INTO definition (kind, name, text) VALUES (?, ?, ?)");
    this.#delete = database.prepare("DELETE FROM definition WHERE kind = ? AND name = ?");
  }

  get(kind: DefinitionKind, name: string): string | undefined {
    this.#requireOpen();
    return this.#orFail("read from the store", () => this.#get.get(kind, name)?.text as string | undefined);
  }

  list(kind: DefinitionKind): Definition[] {
    this.#requireOpen();
    const rows = this.#orFail("read from the store", () => this.#list.all(kind));
    return rows.map((row) => ({ name: row.name as string, text: row.text as string }));
  }

  put(kind: DefinitionKind, name: string, text: string): void {
    this.#requireOpen();
    this.#orFail("write to the store", () => this.#put.run(kind, name, text));
  }

  delete(kind: DefinitionKind, name: string): boolean {
    this.#requireOpen();
    return Number(this.#orFail("write to the store", () => this.#delete.run(kind, name)).changes) > 0;
  }

  transaction<T>(work: () => T): T {
    this.#requireOpen();
    // Savepoints nest; the outermost one is the transaction.
    const savepoint = `level_${this.#depth}`;
    this.#exec(this.#depth === 0 ? "BEGIN IMMEDIATE" : `SAVEPOINT ${savepoint}`);
    this.#depth++;
    let result: T;
    try {
      result = work();
      if (result instanceof Promise) throw new TypeError("A transaction must not be asynchronous");
      this.#exec(this.#depth === 1 ? "COMMIT" : `RELEASE ${savepoint}`);
    } catch (error) {
      this.#depth--;
      this.#undo(savepoint);
      throw error;
    }
    this.#depth--;
    return result;
  }

  #orFail<T>(doing: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      const failed = new StoreError(doing, error);
      if (failed.failure === "damaged") this.#onDamaged();
      throw failed;
    }
  }

  #exec(sql: string): void {
    this.#orFail("write to the store", () => this.#database.exec(sql));
  }

  #undo(savepoint: string): void {
    try {
      this.#database.exec(this.#depth === 0 ? "ROLLBACK" : `ROLLBACK TO ${savepoint}; RELEASE ${savepoint}`);
    } catch {
      // Some failures, as of a full disk, end the transaction by themselves; the error that matters is the first.
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#delivery.close();
    this.#database.close();
    this.#dataDir.release();
  }

  #requireOpen(): void {
    if (this.#closed) throw new Error("The store is closed");
  }
}
