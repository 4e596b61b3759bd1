/**
 * The space that delivery takes in the database: clearing what was removed, slice by slice, giving free pages back to
 * the file system, and telling how large it is.
 * @module
 */
import { statfsSync, statSync } from "node:fs";
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
/** What is left free of a disk at most, so that what is kept can be taken off it again; of small ones, a sixteenth. */
const reserveBytesMax = 8 * 1024 * 1024;
/** What a small transaction costs besides its payloads; and how often these are written: half-filled pages, twice. */
const transactionBytes = 8 * 1024;
const timesWritten = 4;

/** What is left of the disk is needed to take off again what is kept. */
export class DiskKeptFree extends Error {
  constructor() {
    super("the disk is full but for what is needed to let go of what it keeps");
  }
}

/** Bytes. */
interface DiskState {
  /** What may be added. */
  readonly spare: number;
  readonly reserve: number;
  readonly kept: number;
}

export class SqliteSpace {
  readonly #database: SqlDatabase;
  readonly #file: string | undefined;
  /** Bytes that may be added before the disk is looked at again. */
  #unlooked = 0;
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

  /**
   * Whether so many bytes may be added. Deleting needs space, too: in the write-ahead log, and when that is carried over
   * into the database, which then grows by as much. A disk that kept messages have filled to its end would never let go of
   * them.
   */
  hasRoom(sql: DeliverySql, bytes: number): boolean {
    const needed = timesWritten * bytes + transactionBytes;
    if (this.#file === undefined || needed <= this.#unlooked) {
      this.#unlooked -= needed;
      return true;
    }
    let disk = this.#disk(sql, this.#file);
    if (disk.spare < needed) {
      this.makeRoom();
      disk = this.#disk(sql, this.#file);
    }
    const { spare, reserve, kept } = disk;
    this.#unlooked = Math.max(0, Math.min(spare, reserve) / 2 - needed);
    // Where little is kept, little has to be let go of; a large unit may be all there is.
    return spare >= needed || kept < 2 * reserve;
  }

  #disk(sql: DeliverySql, file: string): DiskState {
    try {
      const { bavail, blocks, bsize } = statfsSync(file);
      const reserve = Math.min(reserveBytesMax, (blocks * bsize) / 16);
      const { page_count, freelist_count, page_size } = sql.pages.get() as Record<string, number>;
      const unused = freelist_count! * page_size!;
      const spare = bavail * bsize + unused - this.#walBytes() - reserve;
      return { spare, reserve, kept: page_count! * page_size! - unused };
    } catch {
      // What cannot be asked has to be tried.
      return { spare: Infinity, reserve: reserveBytesMax, kept: 0 };
    }
  }

  /** Gives back what the write-ahead log takes, as far as there is the space to carry it over. Outside of a transaction. */
  makeRoom(): void {
    if (this.#walBytes() === 0) return;
    try {
      this.#database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // The disk is as full as it was.
    }
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
