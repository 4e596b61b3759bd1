/**
 * One outbox in SQLite.
 *
 * What is on disk changes in `apply()` only, which runs inside a transaction; then either `committed()` or
 * `rolledBack()` is called. What is in memory only (taken, waiting) changes with it, because the next unit of the same
 * transaction builds on it, and is put back by `rolledBack()`.
 * @module
 */
import {
  type DeadLetter,
  type Dropped,
  type Lane,
  type Message,
  type Outbox,
  type OutboxCounts,
  OutboxFullError,
  type OutboxSettings,
  type OutboxWork,
  sequenceMax,
  type Taken,
  type TakeOptions,
} from "./delivery_store.ts";
import { type DeliverySql, queueIdMax, resendBit, type SqlRow } from "./delivery_sql.ts";
import { dropOldestLetters, letterRanges, readLetters } from "./dead_letters.ts";
import { type Amount, dropFront } from "./drop_front.ts";
import { type FreshMessage, laneBits, type Lease, OutboxReader } from "./outbox_reader.ts";
import { Damaged } from "./sqlite_failure.ts";
import { toStored } from "./stored_payload.ts";
import { hasRoom, mergeSettings, messagesBytes, payloadBytes, settled } from "./delivery_unit.ts";

/** What row 0 of the queue holds as JSON. */
interface Counted {
  readonly last: number;
  readonly rows: number;
  readonly bytes: number;
  readonly deadRows: number;
  readonly deadBytes: number;
}

/** An outbox as it was kept. */
export interface KeptQueue {
  readonly id: number;
  readonly counted: Counted;
}

/** @param row with the `id` of the queue and the `payload` of its row 0 */
export function keptQueue({ id, payload }: SqlRow): KeptQueue {
  if (typeof payload !== "string") throw new Damaged(`outbox ${id} has lost its counts`);
  return { id: id as number, counted: JSON.parse(payload) as Counted };
}

const empty: Counted = { last: 0, rows: 0, bytes: 0, deadRows: 0, deadBytes: 0 };
function isPowerOfTwo(n: number): boolean {
  return (n & (n - 1)) === 0;
}

/** What the outbox needs of its store. */
export interface OutboxContext {
  readonly sql: DeliverySql;
  /** The number of its rule, once that is written. */
  ruleId(): number | undefined;
  /** Runs a read and turns what SQLite throws into a `StoreError`. */
  read<T>(work: () => T): T;
}

export class SqliteOutbox implements Outbox {
  readonly rule: string;
  readonly action: string;
  readonly #context: OutboxContext;
  readonly #sql: DeliverySql;
  #settings: OutboxSettings;
  #queue: number | undefined;
  #counted: Counted;
  #before: { readonly queue: number | undefined; readonly counted: Counted } | undefined;
  readonly #reader: OutboxReader;
  #roomWaiters: { readonly rows: number; readonly bytes: number; readonly resolve: () => void }[] = [];
  #gone = false;

  constructor(
    rule: string,
    action: string,
    settings: OutboxSettings,
    kept: KeptQueue | undefined,
    context: OutboxContext,
  ) {
    this.rule = rule;
    this.action = action;
    this.#settings = settings;
    this.#context = context;
    this.#sql = context.sql;
    this.#reader = new OutboxReader(context.sql);
    this.#queue = kept?.id;
    this.#counted = kept?.counted ?? empty;
  }

  get lastSequence(): number {
    return this.#counted.last;
  }

  get queue(): number | undefined {
    return this.#queue;
  }

  configure(changes: Partial<OutboxSettings>): void {
    this.#settings = mergeSettings(this.#settings, changes);
    this.#wakeWaiters();
  }

  counts(): OutboxCounts {
    const { rows, bytes, deadRows, deadBytes } = this.#counted;
    return { rows, bytes, takenRows: this.#reader.size, deadRows, deadBytes };
  }

  oldestMs(): number | undefined {
    const queue = this.#queue;
    if (queue === undefined || this.#counted.rows === 0) return undefined;
    return this.#context.read(() => {
      const live = this.#sql.oldest.get(queue, 0, sequenceMax);
      const resend = this.#sql.oldest.get(queue, resendBit, resendBit + sequenceMax);
      if (live === undefined || resend === undefined) return (live ?? resend)?.created as number | undefined;
      return ((live.sequence as number) < (resend.sequence as number) ? live : resend).created as number;
    });
  }

  isTaken(sequence: number): boolean {
    return this.#reader.has(sequence);
  }

  take(options: TakeOptions): Taken {
    const queue = this.#queue;
    if (queue === undefined || this.#counted.rows === this.#reader.size || options.rowsMax < 1) {
      return { messages: [] };
    }
    return this.#context.read(() => this.#reader.take(queue, this.#settings.order, options));
  }

  release(sequences?: readonly number[]): void {
    this.#reader.release(sequences);
  }

  // ---- changing

  /** Marks what a unit is about to settle, so that `release()` does not give it to somebody else meanwhile. */
  markSettling(work: OutboxWork, settling: boolean): void {
    for (const sequence of settled(work)) this.#reader.markSettling(sequence, settling);
  }

  /** @throws {OutboxFullError} when it blocks and has no room, after what the work itself takes out */
  checkRoom(work: OutboxWork): void {
    if (this.#settings.onFull !== "block" || work.append === undefined || work.append.length === 0) return;
    let { rows, bytes } = this.#counted;
    for (const sequence of [...work.delivered ?? [], ...(work.buried ?? []).map((each) => each.sequence)]) {
      rows--;
      bytes -= this.#reader.lease(sequence).bytes;
    }
    if (!hasRoom({ rows, bytes }, this.#settings, work.append.length, messagesBytes(work.append))) {
      throw new OutboxFullError(this.rule, this.action);
    }
  }

  /** Whether `apply()` would write anything. */
  writes({ delivered, retried, buried, replayed, cleared, expiredAtMs, append }: OutboxWork): boolean {
    return [delivered, buried, replayed, cleared, append].some((list) => list !== undefined && list.length > 0) ||
      (expiredAtMs !== undefined && this.#settings.ageMaxMs !== undefined && this.#counted.rows > 0) ||
      (retried ?? []).some(({ sequence, lane }) => this.#isKept(this.#reader.lease(sequence), lane));
  }

  /** Remembers what to go back to; called for the first work in a transaction. */
  begin(): void {
    this.#before ??= { queue: this.#queue, counted: this.#counted };
  }

  /** Does the work on disk, within a transaction. */
  apply(work: OutboxWork): Dropped[] {
    const dropped: Dropped[] = [];
    const tell = (reason: Dropped["reason"], { rows, bytes }: Amount) => {
      if (rows > 0) dropped.push({ action: this.action, reason, rows, bytes });
    };
    const queue = this.#queue ??= this.#addQueue();
    if (work.delivered !== undefined) this.#deliver(queue, work.delivered);
    if (work.retried !== undefined) this.#retry(queue, work.retried);
    if (work.buried !== undefined && work.buried.length > 0) tell("dead", this.#bury(queue, work.buried));
    if (work.replayed !== undefined) this.#replay(queue, work.replayed);
    if (work.cleared !== undefined) this.#clear(queue, work.cleared);
    const { ageMaxMs } = this.#settings;
    if (work.expiredAtMs !== undefined && ageMaxMs !== undefined) {
      const oldestMs = work.expiredAtMs - ageMaxMs;
      tell("age", this.#dropFront(queue, (createdMs) => createdMs < oldestMs));
    }
    if (work.append !== undefined && work.append.length > 0) tell("full", this.#append(queue, work.append));
    return dropped;
  }

  /** Writes the counts, before the transaction ends. */
  finish(): void {
    if (this.#counted !== this.#before?.counted) this.#sql.putHead.run(this.#queue!, JSON.stringify(this.#counted));
  }

  committed(): void {
    this.#before = undefined;
    this.#reader.keep();
    this.#wakeWaiters();
  }

  rolledBack(): void {
    if (this.#before === undefined) return;
    this.#queue = this.#before.queue;
    this.#counted = this.#before.counted;
    this.#before = undefined;
    this.#reader.putBack();
  }

  /** The outbox was removed: whoever waits for room finds out by trying. */
  leave(): void {
    this.#gone = true;
    this.#counted = empty;
    this.#queue = undefined;
    this.#reader.clear();
    this.#wakeWaiters();
  }

  whenRoom(rows: number, bytes: number): Promise<void> {
    if (this.#gone || hasRoom(this.#counted, this.#settings, rows, bytes)) return Promise.resolve();
    return new Promise((resolve) => this.#roomWaiters.push({ rows, bytes, resolve }));
  }

  #wakeWaiters(): void {
    if (this.#roomWaiters.length === 0) return;
    this.#roomWaiters = this.#roomWaiters.filter(({ rows, bytes, resolve }) => {
      if (!this.#gone && !hasRoom(this.#counted, this.#settings, rows, bytes)) return true;
      resolve();
      return false;
    });
  }

  #addQueue(): number {
    const last = this.#sql.queueAfterLast.get()!.id as number;
    const queue = last <= queueIdMax ? last : this.#sql.queueInGap.get()!.id as number;
    if (queue > queueIdMax) throw new RangeError(`Cannot keep another outbox: there are ${queueIdMax}`);
    this.#sql.addQueue.run(queue, this.#context.ruleId()!, this.action);
    this.#counted = { ...this.#counted };
    return queue;
  }

  #count(change: Partial<Counted>): void {
    this.#counted = { ...this.#counted, ...change };
  }

  #remove({ rows, bytes }: Amount): void {
    if (rows === 0) return;
    this.#count({ rows: this.#counted.rows - rows, bytes: this.#counted.bytes - bytes });
  }

  #deliver(queue: number, sequences: readonly number[]): void {
    const leases = sequences.map((sequence) => this.#reader.letGo(sequence))
      .sort((a, b) => laneBits[a.lane] - laneBits[b.lane] || a.sequence - b.sequence);
    let bytes = 0;
    for (let i = 0; i < leases.length;) {
      const first = leases[i]!;
      let last = first;
      bytes += first.bytes;
      // Nothing stands between these, so that one statement takes them all, gaps in the sequence or not.
      for (i++; i < leases.length && leases[i]!.lane === last.lane && leases[i]!.previous === last.sequence; i++) {
        last = leases[i]!;
        bytes += last.bytes;
      }
      const bit = laneBits[first.lane];
      this.#sql.outboxRange.delete.run(queue, bit + first.sequence, bit + last.sequence);
    }
    this.#remove({ rows: leases.length, bytes });
    for (const sequence of sequences) this.#reader.setWait(sequence, undefined);
  }

  /** Whether a failed attempt is written. */
  #isKept(lease: Lease, lane: Lane | undefined): boolean {
    return (lane !== undefined && lane !== lease.lane) || isPowerOfTwo(lease.attempts + 1);
  }

  #retry(queue: number, retried: NonNullable<OutboxWork["retried"]>): void {
    for (const { sequence, lane } of retried) {
      const lease = this.#reader.lease(sequence);
      if (!this.#isKept(lease, lane)) continue;
      const to = laneBits[lane ?? lease.lane] + sequence;
      this.#sql.moveMessage.run(queue, laneBits[lease.lane] + sequence, to, lease.attempts + 1);
      if (lane !== undefined && lane !== lease.lane) this.#reader.doubtOrder();
    }
    this.settleRetried(retried);
  }

  /** The part of a retry that is in memory. */
  settleRetried(retried: NonNullable<OutboxWork["retried"]>): void {
    for (const { sequence, atMs, lane } of retried) {
      const lease = this.#reader.letGo(sequence);
      const attempts = lease.attempts + 1;
      const isNeeded = atMs > 0 || !this.#isKept(lease, lane);
      this.#reader.setWait(sequence, isNeeded ? { atMs, attempts } : undefined);
    }
    this.#reader.startOver();
  }

  #bury(queue: number, buried: NonNullable<OutboxWork["buried"]>): Amount {
    const amount = { rows: 0, bytes: 0 };
    for (const { sequence, reason, diedMs } of buried) {
      const lease = this.#reader.letGo(sequence);
      this.#reader.setWait(sequence, undefined);
      const from = laneBits[lease.lane] + sequence;
      this.#sql.bury.run(queue, from, sequence, lease.attempts + 1, diedMs, toStored(reason));
      this.#sql.outboxRange.delete.run(queue, from, from);
      amount.rows++;
      amount.bytes += lease.bytes;
    }
    this.#remove(amount);
    const { deadRows, deadBytes } = this.#counted;
    this.#count({ deadRows: deadRows + amount.rows, deadBytes: deadBytes + amount.bytes });
    return this.#countOut(dropOldestLetters(this.#sql, queue, this.#counted, this.#settings));
  }

  #replay(queue: number, which: readonly number[] | "all"): void {
    for (const { first, last, rows, bytes } of letterRanges(this.#sql, queue, this.#counted, which)) {
      this.#sql.exhume.run(queue, first, last);
      this.#count({ rows: this.#counted.rows + rows, bytes: this.#counted.bytes + bytes });
      this.#sql.deadRange.delete.run(queue, first, last);
      this.#countOut({ rows, bytes });
    }
    this.#reader.doubtOrder();
  }

  #clear(queue: number, which: readonly number[] | "all"): void {
    for (const { first, last, rows, bytes } of letterRanges(this.#sql, queue, this.#counted, which)) {
      this.#sql.deadRange.delete.run(queue, first, last);
      this.#countOut({ rows, bytes });
    }
  }

  /** Dead letters that are gone. */
  #countOut(gone: Amount): Amount {
    const { deadRows, deadBytes } = this.#counted;
    if (gone.rows > 0) this.#count({ deadRows: deadRows - gone.rows, deadBytes: deadBytes - gone.bytes });
    return gone;
  }

  #dropFront(queue: number, wants: (createdMs: number, gone: Amount) => boolean): Amount {
    const gone = dropFront(this.#sql, this.#reader, queue, wants);
    if (gone.rows > 0) this.#reader.forgetFresh();
    this.#remove(gone);
    return gone;
  }

  #append(queue: number, messages: readonly Message[]): Amount {
    const { onFull, order, rowsMax, bytesMax } = this.#settings;
    const dropped = { rows: 0, bytes: 0 };
    let { rows, bytes, last } = this.#counted;
    const untaken = rows - this.#reader.size;
    const fresh: FreshMessage[] = [];
    for (const { sequence, key, payload, createdMs } of messages) {
      const stored = toStored(payload);
      const size = payloadBytes(stored);
      last = sequence;
      const isFull = rows > 0 && (rows + 1 > rowsMax || bytes + size > bytesMax);
      if (onFull === "dropNewest" && (isFull || dropped.rows > 0)) {
        dropped.rows++;
        dropped.bytes += size;
        continue;
      }
      this.#sql.addMessage.run(queue, sequence, order === "key" ? toStored(key ?? "") : null, createdMs, stored);
      fresh.push({ sequence, key: order === "key" ? key ?? "" : undefined, payload, createdMs, bytes: size });
      rows++;
      bytes += size;
    }
    this.#count({ rows, bytes, last });
    this.#reader.appended(untaken, fresh);
    if (onFull !== "dropOldest") return dropped;
    return this.#dropFront(queue, (_createdMs, gone) => {
      const left = this.#counted.rows - gone.rows;
      return left > 1 && (left > rowsMax || this.#counted.bytes - gone.bytes > bytesMax);
    });
  }

  // ---- dead letters

  deadLetters({ after = 0, limit }: { readonly after?: number; readonly limit: number }): DeadLetter[] {
    const queue = this.#queue;
    if (queue === undefined || this.#counted.deadRows === 0) return [];
    return this.#context.read(() => readLetters(this.#sql, queue, after, limit));
  }

  deadLetter(sequence: number): DeadLetter | undefined {
    const [letter] = this.deadLetters({ after: sequence - 1, limit: 1 });
    return letter?.sequence === sequence ? letter : undefined;
  }
}
