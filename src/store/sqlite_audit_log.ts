/**
 * The audit trail in the database of the agent.
 * @module
 */
import { Buffer } from "node:buffer";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import {
  type AuditEntry,
  type AuditEvent,
  type AuditLog,
  type AuditSelection,
  type ChainEnd,
  eventOf,
  hashOf,
  noHash,
  pruneEvent,
  type StoredEntry,
  textOf,
} from "../audit/audit_log.ts";
import { StoreError } from "./store_error.ts";

interface EndRow {
  readonly sequence: number;
  readonly hash: Uint8Array;
}

interface EntryRow extends EndRow {
  readonly text: string;
}

function endOf(row: EndRow | undefined): ChainEnd {
  if (row === undefined) return { sequence: 0, hash: noHash };
  return { sequence: Number(row.sequence), hash: Buffer.from(row.hash).toString("hex") };
}

/** Of any database that has the tables, also one that was opened for reading only. */
export class AuditTables {
  protected readonly database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.database = database;
  }

  protected prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql) ?? this.database.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }

  head(): ChainEnd {
    const last = this.prepare("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1").get();
    return last === undefined ? this.anchor() : endOf(last as unknown as EndRow);
  }

  anchor(): ChainEnd {
    const row = this.prepare("SELECT sequence, hash FROM audit_anchor ORDER BY sequence DESC LIMIT 1").get();
    return endOf(row as unknown as EndRow | undefined);
  }

  *stored(): Iterable<StoredEntry> {
    const page = this.prepare("SELECT sequence, text, hash FROM audit WHERE sequence > ? ORDER BY sequence LIMIT 500");
    let last = -1;
    while (true) {
      const rows = page.all(last) as unknown as EntryRow[];
      if (rows.length === 0) return;
      for (const row of rows) yield { ...endOf(row), text: row.text };
      last = Number(rows.at(-1)!.sequence);
    }
  }
}

export class SqliteAuditLog extends AuditTables implements AuditLog {
  readonly #onDamaged: () => void;

  constructor(database: DatabaseSync, onDamaged: () => void) {
    super(database);
    this.#onDamaged = onDamaged;
  }

  append(event: AuditEvent): AuditEntry {
    return this.#orFail("write to the audit trail", () => {
      const { sequence: before, hash: previous } = this.head();
      const text = textOf(event);
      const [sequence, hash] = [before + 1, hashOf(previous, text)];
      this.prepare("INSERT INTO audit (sequence, text, hash) VALUES (?, ?, ?)")
        .run(sequence, text, Buffer.from(hash, "hex"));
      return { sequence, hash, event };
    });
  }

  read({ before = Number.MAX_SAFE_INTEGER, actor = "", since = 0, limit }: AuditSelection): AuditEntry[] {
    return this.#orFail("read the audit trail", () => {
      const rows = this.prepare(
        "SELECT sequence, text, hash FROM audit WHERE sequence < ? AND (? = '' OR text ->> '$.actor' = ?) " +
          "AND text ->> '$.time' >= ? ORDER BY sequence DESC LIMIT ?",
      ).all(before, actor, actor, since, limit) as unknown as EntryRow[];
      return rows.map((row) => ({ ...endOf(row), event: eventOf(row.text) }));
    });
  }

  prune(before: number, now: number): number {
    return this.#orFail("cut the audit trail", () => {
      const kept = this.prepare("SELECT min(sequence) AS first FROM audit WHERE text ->> '$.time' >= ?").get(before)!;
      const last = kept.first === null ? this.head().sequence : Number(kept.first) - 1;
      const row = this.prepare("SELECT sequence, hash FROM audit WHERE sequence = ?").get(last);
      if (row === undefined) return 0;
      const removed = endOf(row as unknown as EndRow);
      this.database.exec("SAVEPOINT prune");
      try {
        const count = removed.sequence - this.anchor().sequence;
        this.append(pruneEvent(removed, count, now));
        this.prepare("INSERT INTO audit_anchor (sequence, hash) VALUES (?, ?)")
          .run(removed.sequence, Buffer.from(removed.hash, "hex"));
        this.prepare("DELETE FROM audit WHERE sequence <= ?").run(removed.sequence);
        this.database.exec("RELEASE prune");
        return count;
      } catch (error) {
        this.database.exec("ROLLBACK TO prune; RELEASE prune");
        throw error;
      }
    });
  }

  #orFail<T>(doing: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof StoreError) throw error;
      const failed = new StoreError(doing, error);
      if (failed.failure === "damaged") this.#onDamaged();
      throw failed;
    }
  }
}
