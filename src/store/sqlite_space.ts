/**
 * The space that delivery takes in the database: clearing what was removed, slice by slice, giving free pages back to
 * the file system, and telling how large it is.
 * @module
 */
import { statSync } from "node:fs";
import { clearSlice } from "./clear_slice.ts";
import { type DeliverySizes, sequenceMax } from "./delivery_store.ts";
import type { DeliverySql, SqlDatabase } from "./delivery_sql.ts";
import type { Rule } from "./sqlite_rules.ts";

/** What one slice of clearing takes out: a few milliseconds. */
const sliceLimit = { rows: 2000, bytes: 4 * 1024 * 1024 };
/** Space is given back when there is this much of it, and it is a quarter of the file: some is needed again at once. */
const freePagesMin = 256;
/** The write-ahead log is that long only after something large. */
const walBytesMax = 16 * 1024 * 1024;

export class SqliteSpace {
  readonly #database: SqlDatabase;
  readonly #file: string | undefined;
  /** Rules with entries left that their checkpoint contains. */
  readonly #uncleared = new Set<Rule>();

  /** @param file the file of the database, to tell how large its log is */
  constructor(database: SqlDatabase, file: string | undefined) {
    this.#database = database;
    this.#file = file;
  }

  /** The log of a rule that was read may hold entries before its checkpoint, cut off by the end of the process. */
  doubt(rule: Rule): void {
    if (rule.state.checkpointSequence > 0) this.#uncleared.add(rule);
  }

  forget(rule: Rule): void {
    this.#uncleared.delete(rule);
  }

  /** Takes a slice of what the checkpoint contains out of the log; the rest goes later. Within a transaction. */
  clearLog(sql: DeliverySql, rule: Rule, id: number, sequence: number): void {
    if (!clearSlice(sql.logRange, id, 0, sequence, sliceLimit)) this.#uncleared.add(rule);
  }

  /** Clears a slice of what was removed, within a transaction; true when there was something. */
  clear(sql: DeliverySql): boolean {
    const queue = sql.abandonedQueue.get()?.id as number | undefined;
    if (queue !== undefined) {
      const last = 2 ** 45 - 1;
      if (
        clearSlice(sql.outboxRange, queue, 0, last, sliceLimit) &&
        clearSlice(sql.deadRange, queue, 0, last, sliceLimit)
      ) sql.dropQueue.run(queue);
      return true;
    }
    const rule = sql.abandonedRule.get()?.id as number | undefined;
    if (rule !== undefined) {
      if (clearSlice(sql.logRange, rule, 0, sequenceMax, sliceLimit)) sql.dropRule.run(rule);
      return true;
    }
    for (const rule of this.#uncleared) {
      const { id, checkpointSequence } = rule.state;
      if (id === undefined || clearSlice(sql.logRange, id, 0, checkpointSequence, sliceLimit)) {
        this.#uncleared.delete(rule);
      }
      return true;
    }
    return false;
  }

  /** Gives a slice of free pages back to the file system; true when there was something. */
  giveBack(sql: DeliverySql): boolean {
    const { page_count, freelist_count } = sql.pages.get() as Record<string, number>;
    if (freelist_count! >= freePagesMin && freelist_count! * 4 >= page_count!) {
      // It gives back one page a step, and of the ways to run it only this one takes all steps under both engines.
      sql.vacuumSlice.all();
      const after = sql.pages.get() as Record<string, number>;
      // A database without the means for it gives nothing back.
      if (after.freelist_count! < freelist_count!) return true;
    }
    if (this.#walBytes() <= walBytesMax) return false;
    this.#database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    return false;
  }

  #walBytes(): number {
    if (this.#file === undefined) return 0;
    return statSync(`${this.#file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  }

  sizes(sql: DeliverySql): DeliverySizes {
    const { page_count, freelist_count, page_size } = sql.pages.get() as Record<string, number>;
    return {
      databaseBytes: page_count! * page_size!,
      freeBytes: freelist_count! * page_size!,
      walBytes: this.#walBytes(),
    };
  }
}
