/**
 * A database that fails when told to, for tests: before what it is asked for has any effect, as SQLite does.
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import type { SqlDatabase, SqlRow, SqlStatement, SqlValue } from "./delivery_sql.ts";
import { migrations } from "./migrations/migrations.ts";

/** A database with the schema, in memory or in a file. */
export function newDatabase(path = ":memory:"): DatabaseSync {
  const database = new DatabaseSync(path);
  if (path !== ":memory:") database.exec("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL");
  for (const { sql } of migrations) database.exec(sql);
  return database;
}

export class FailingDatabase implements SqlDatabase {
  readonly #database: SqlDatabase;
  /** Called before each step with its SQL; true makes it fail. */
  fails: (sql: string) => boolean = () => false;
  /** The result code of SQLite that the failures have. */
  errorCode = 10;

  constructor(database: SqlDatabase) {
    this.#database = database;
  }

  #step(sql: string): void {
    if (this.fails(sql)) throw Object.assign(new Error("injected"), { errcode: this.errorCode });
  }

  exec(sql: string): void {
    // A failure that is told after a rollback or instead of it would leave SQLite in a transaction, which it never does.
    if (sql !== "ROLLBACK") this.#step(sql);
    this.#database.exec(sql);
  }

  prepare(sql: string): SqlStatement {
    const statement = this.#database.prepare(sql);
    const step = () => this.#step(sql);
    return {
      run(...values: SqlValue[]) {
        step();
        return statement.run(...values);
      },
      get(...values: SqlValue[]): SqlRow | undefined {
        step();
        return statement.get(...values);
      },
      all(...values: SqlValue[]): SqlRow[] {
        step();
        return statement.all(...values);
      },
      *iterate(...values: SqlValue[]): Generator<SqlRow> {
        for (const row of statement.iterate(...values)) {
          step();
          yield row;
        }
      },
    };
  }
}
