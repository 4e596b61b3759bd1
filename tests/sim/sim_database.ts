/**
 * The database as one life of the agent sees it: any statement may fail, and at any statement the agent may be killed,
 * which takes back the transaction that is open.
 * @module
 */
import type { SqlDatabase, SqlRow, SqlStatement, SqlValue } from "../../src/store/delivery_sql.ts";
import { Killed, type Life } from "./life.ts";

/** What a failing disk does to the statements of SQLite. */
export interface DiskFaults {
  /** The result code for this statement; undefined when it succeeds. */
  fault(sql: string): number | undefined;
  /** Whether the failure also ends the transaction, as SQLite does for some. */
  endsTransaction(): boolean;
}

export class SimDatabase implements SqlDatabase {
  readonly #database: SqlDatabase;
  readonly #life: Life;
  readonly #faults: DiskFaults;
  readonly #statements: Map<string, SqlStatement>;

  /** @param statements those that lives before have prepared */
  constructor(database: SqlDatabase, life: Life, faults: DiskFaults, statements: Map<string, SqlStatement>) {
    this.#database = database;
    this.#life = life;
    this.#faults = faults;
    this.#statements = statements;
  }

  #do<T>(sql: string, work: () => T): T {
    if (!this.#life.touch(`sql ${sql.trim().slice(0, 40)}`)) throw new Killed();
    const errcode = sql === "ROLLBACK" ? undefined : this.#faults.fault(sql);
    if (errcode !== undefined) {
      if (this.#faults.endsTransaction()) rollBack(this.#database);
      throw Object.assign(new Error("injected"), { errcode });
    }
    const result = work();
    // It is there, and nobody was told.
    if (sql === "COMMIT" && !this.#life.touch("a commit that is through")) throw new Killed();
    return result;
  }

  exec(sql: string): void {
    this.#do(sql, () => this.#database.exec(sql));
  }

  prepare(sql: string): SqlStatement {
    const statement = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return {
      run: (...values: SqlValue[]) => this.#do(sql, () => statement.run(...values)),
      get: (...values: SqlValue[]): SqlRow | undefined => this.#do(sql, () => statement.get(...values)),
      all: (...values: SqlValue[]): SqlRow[] => this.#do(sql, () => statement.all(...values)),
      // All at once: a life that ends in between would leave a statement open.
      iterate: (...values: SqlValue[]): Iterable<SqlRow> => this.#do(sql, () => statement.all(...values)),
    };
  }
}

/** Ends the transaction that is open, if there is one. */
export function rollBack(database: SqlDatabase): void {
  try {
    database.exec("ROLLBACK");
  } catch {
    // There is none.
  }
}
