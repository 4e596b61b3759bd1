/**
 * Transactions of durable delivery, each at its level of durability.
 *
 * A transaction of level "power" runs with `synchronous=FULL`, where SQLite flushes the write-ahead log at each commit,
 * and with it all that was committed before; otherwise `NORMAL` flushes at checkpoints only. The level is a setting of
 * the connection that may change between transactions.
 * @module
 */
import type { DeliverySql, SqlDatabase } from "./delivery_sql.ts";
import type { Durability } from "./delivery_store.ts";

export class SqliteTransaction {
  readonly #database: SqlDatabase;
  #durability: Durability | undefined;

  constructor(database: SqlDatabase) {
    this.#database = database;
  }

  begin(sql: DeliverySql, durability: Durability): void {
    if (durability !== this.#durability) {
      this.#database.exec(`PRAGMA synchronous = ${durability === "power" ? "FULL" : "NORMAL"}`);
      this.#durability = durability;
    }
    sql.begin.run();
  }

  commit(sql: DeliverySql): void {
    sql.commit.run();
  }

  rollBack(): void {
    try {
      this.#database.exec("ROLLBACK");
    } catch {
      // Some failures end the transaction by themselves.
    }
  }

  /** Runs `work` in a transaction, at the level of the process. */
  alone<T>(sql: DeliverySql, work: () => T): T {
    let begun = false;
    try {
      this.begin(sql, "process");
      begun = true;
      const result = work();
      this.commit(sql);
      return result;
    } catch (error) {
      if (begun) this.rollBack();
      throw error;
    }
  }
}
