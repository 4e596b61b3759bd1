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
  type Payload,
  sequenceMax,
  type Taken,
  type TakenMessage,
  type TakeOptions,
} from "./delivery_store.ts";
import { type DeliverySql, queueIdMax, type RangeStatements, resendBit, type SqlRow } from "./delivery_sql.ts";
import { fromStored, toStored } from "./stored_payload.ts";
import { hasRoom, mergeSettings, messagesBytes, payloadBytes, settled } from "./delivery_unit.ts";

/** What row 0 of the queue holds as JSON. */
interface Counted {
  readonly last: number;
  readonly rows: number;
  readonly bytes: number;
  readonly deadRows: number;
  readonly deadBytes: number;
}

interface Lease extends TakenMessage {
  readonly bytes: number;
  /** The sequence that stands right before this one in its lane; undefined when that is not certain. */
  previous: number | undefined;
  /** Named in a unit that is not committed yet. */
  settling: boolean;
}

interface Wait {
  readonly atMs: number;
  readonly attempts: number;
}

/** A sum of messages that are gone. */
interface Amount {
  rows: number;
  bytes: number;
}

/** What one take finds, up to its limits. */
class Collection {
  readonly messages: Lease[] = [];
  isFull = false;
  readonly #rowsMax: number;
  readonly #bytesMax: number;
  #bytes = 0;

  constructor({ rowsMax, bytesMax = Infinity }: TakeOptions) {
    this.#rowsMax = rowsMax;
    this.#bytesMax = bytesMax;
  }

  /** False when it is too large for what is left. */
  add(lease: Lease): boolean {
    this.isFull = this.messages.length > 0 && this.#bytes + lease.bytes > this.#bytesMax;
    if (this.isFull) return false;
    this.messages.push(lease);
    this.#bytes += lease.bytes;
    this.isFull = this.messages.length === this.#rowsMax || this.#bytes >= this.#bytesMax;
    return true;
  }
}

const empty: Counted = { last: 0, rows: 0, bytes: 0, deadRows: 0, deadBytes: 0 };
/** How many rows a look past blocked keys reads, and how many keys it asks for after that. */
const scanRowsMax = 1024;
const scanKeysMax = 256;
const dropPageRows = 256;
/** At most this is dropped in one unit, because it holds up everything else; the next unit goes on. */
const dropRowsMax = 20_000;
const dropBytesMax = 64 * 1024 * 1024;

const laneBits: Readonly<Record<Lane, number>> = { live: 0, resend: resendBit };

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
  #counted: Counted = empty;
  #before: { readonly queue: number | undefined; readonly counted: Counted } | undefined;
  readonly #taken = new Map<number, Lease>();
  readonly #waits = new Map<number, Wait>();
  /** Up to here, every message of the lane is taken, or was dropped. Anything that frees one sets it back. */
  readonly #cursors: Record<Lane, number> = { live: 0, resend: 0 };
  #keyCursor: string | undefined;
  /** What a failed transaction puts back. */
  #untaken: Lease[] = [];
  #formerWaits: (readonly [sequence: number, wait: Wait | undefined])[] = [];
  #roomWaiters: { readonly rows: number; readonly bytes: number; readonly resolve: () => void }[] = [];
  #gone = false;

  constructor(rule: string, action: string, settings: OutboxSettings, context: OutboxContext) {
    this.rule = rule;
    this.action = action;
    this.#settings = settings;
    this.#context = context;
    this.#sql = context.sql;
    const ruleId = context.ruleId();
    const queue = ruleId === undefined ? undefined : this.#sql.queue.get(ruleId, action);
    if (queue === undefined) return;
    this.#queue = queue.id as number;
    this.#counted = JSON.parse(this.#sql.head.get(this.#queue)!.payload as string) as Counted;
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
    return { rows, bytes, takenRows: this.#taken.size, deadRows, deadBytes };
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
    return this.#taken.has(sequence);
  }

  // ---- taking

  take(options: TakeOptions): Taken {
    const queue = this.#queue;
    if (queue === undefined || this.#gone || this.#counted.rows === this.#taken.size || options.rowsMax < 1) {
      return { messages: [] };
    }
    return this.#context.read(() => {
      const past = this.#settings.order === "key" && this.#waitsAfter(options.nowMs) !== undefined;
      return past ? this.#takePastBlockedKeys(queue, options) : this.#takeInOrder(queue, options);
    });
  }

  release(sequences?: readonly number[]): void {
    for (const sequence of sequences ?? [...this.#taken.keys()]) {
      if (this.#taken.get(sequence)?.settling === false) this.#taken.delete(sequence);
    }
    this.#startOver();
  }

  #startOver(): void {
    this.#cursors.live = this.#cursors.resend = 0;
  }

  /** The earliest end of a wait that is not over. */
  #waitsAfter(nowMs: number): number | undefined {
    let earliest: number | undefined;
    for (const [sequence, { atMs }] of this.#waits) {
      if (atMs <= nowMs || this.#taken.has(sequence)) continue;
      if (earliest === undefined || atMs < earliest) earliest = atMs;
    }
    return earliest;
  }

  #lease(row: SqlRow, lane: Lane, previous: number | undefined): Lease {
    const sequence = row.sequence as number;
    return {
      sequence,
      ...(row.key === null ? {} : { key: fromStored(row.key) as string }),
      payload: fromStored(row.payload),
      createdMs: row.created as number,
      lane,
      attempts: this.#waits.get(sequence)?.attempts ?? (row.attempts as number),
      bytes: payloadBytes(row.payload as Payload),
      previous,
      settling: false,
    };
  }

  #takeInOrder(queue: number, options: TakeOptions): Taken {
    const { lane = "live", rowsMax, nowMs } = options;
    const bit = laneBits[lane];
    const found = new Collection(options);
    let cursor = this.#cursors[lane];
    let waitUntilMs: number | undefined;
    // Taken ones may stand in front, after something was given back.
    const limit = rowsMax + this.#taken.size;
    for (const row of this.#sql.messages.iterate(queue, bit + cursor, bit + sequenceMax, limit)) {
      const sequence = row.sequence as number;
      if (!this.#taken.has(sequence)) {
        const wait = this.#waits.get(sequence);
        if (wait !== undefined && wait.atMs > nowMs) {
          waitUntilMs = wait.atMs;
          break;
        }
        if (!found.add(this.#lease(row, lane, cursor === 0 ? undefined : cursor))) break;
      }
      cursor = sequence;
      if (found.isFull) break;
    }
    this.#cursors[lane] = cursor;
    return this.#hold(found, waitUntilMs);
  }

  /** The last step of a take, so that one whose read fails takes nothing. */
  #hold({ messages, isFull }: Collection, waitUntilMs: number | undefined): Taken {
    for (const lease of messages) this.#taken.set(lease.sequence, lease);
    return isFull || waitUntilMs === undefined ? { messages } : { messages, waitUntilMs };
  }

  #takePastBlockedKeys(queue: number, options: TakeOptions): Taken {
    const { lane = "live", nowMs } = options;
    const bit = laneBits[lane];
    const found = new Collection(options);
    const blocked = new Set<string>();
    const rows = this.#sql.keys.all(queue, bit, bit + sequenceMax, scanRowsMax);
    for (const row of rows) {
      const sequence = row.sequence as number;
      const key = row.key as string | null;
      if (this.#taken.has(sequence) || (key !== null && blocked.has(key))) continue;
      const atMs = this.#waits.get(sequence)?.atMs ?? 0;
      if (atMs <= nowMs) {
        found.add(this.#lease(this.#sql.message.get(queue, bit + sequence)!, lane, undefined));
        if (found.isFull) break;
      } else if (key === null) {
        // It is from a time when the order was that of the queue: all behind it wait.
        return this.#hold(found, atMs);
      } else blocked.add(key);
    }
    if (rows.length < scanRowsMax) return this.#hold(found, this.#waitsAfter(nowMs));
    return found.messages.length === 0 ? this.#takeByKey(queue, options) : this.#hold(found, nowMs);
  }

  /** Goes from key to key when many messages of blocked keys stand in front, on from where it ended last time. */
  #takeByKey(queue: number, options: TakeOptions): Taken {
    const { lane = "live", rowsMax, nowMs } = options;
    const laneNumber = lane === "live" ? 0 : 1;
    const found = new Collection(options);
    let wrapped = this.#keyCursor === undefined;
    for (let n = 0; n < scanKeysMax && found.messages.length === 0; n++) {
      const next = this.#keyCursor === undefined
        ? this.#sql.keyMessages.get(queue, laneNumber, "", 1) ?? this.#sql.nextKey.get(queue, laneNumber, "")
        : this.#sql.nextKey.get(queue, laneNumber, this.#keyCursor);
      this.#keyCursor = next?.key as string | undefined;
      if (next === undefined) {
        if (wrapped) return this.#hold(found, this.#waitsAfter(nowMs));
        wrapped = true;
        continue;
      }
      const limit = rowsMax + this.#taken.size;
      for (const row of this.#sql.keyMessages.iterate(queue, laneNumber, next.key as string, limit)) {
        const sequence = row.sequence as number;
        if (this.#taken.has(sequence)) continue;
        if ((this.#waits.get(sequence)?.atMs ?? 0) > nowMs) break;
        found.add(this.#lease(row, lane, undefined));
        if (found.isFull) break;
      }
    }
    // More keys are left than one call looks at.
    return this.#hold(found, nowMs);
  }

  // ---- changing

  /** Marks what a unit is about to settle, so that `release()` does not give it to somebody else meanwhile. */
  markSettling(work: OutboxWork, settling: boolean): void {
    for (const sequence of settled(work)) {
      const lease = this.#taken.get(sequence);
      if (lease !== undefined) lease.settling = settling;
    }
  }

  /** @throws {OutboxFullError} when it blocks and has no room, after what the work itself takes out */
  checkRoom(work: OutboxWork): void {
    if (this.#settings.onFull !== "block" || work.append === undefined || work.append.length === 0) return;
    let { rows, bytes } = this.#counted;
    for (const sequence of [...work.delivered ?? [], ...(work.buried ?? []).map((each) => each.sequence)]) {
      rows--;
      bytes -= this.#taken.get(sequence)!.bytes;
    }
    if (!hasRoom({ rows, bytes }, this.#settings, work.append.length, messagesBytes(work.append))) {
      throw new OutboxFullError(this.rule, this.action);
    }
  }

  /** Whether `apply()` would write anything. */
  writes({ delivered, retried, buried, replayed, cleared, expiredAtMs, append }: OutboxWork): boolean {
    return [delivered, buried, replayed, cleared, append].some((list) => list !== undefined && list.length > 0) ||
      (expiredAtMs !== undefined && this.#settings.ageMaxMs !== undefined && this.#counted.rows > 0) ||
      (retried ?? []).some(({ sequence, lane }) => this.#isKept(this.#taken.get(sequence)!, lane));
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
    this.#untaken = [];
    this.#formerWaits = [];
    this.#wakeWaiters();
  }

  rolledBack(): void {
    if (this.#before === undefined) return;
    this.#queue = this.#before.queue;
    this.#counted = this.#before.counted;
    this.#before = undefined;
    for (const lease of this.#untaken) this.#taken.set(lease.sequence, lease);
    for (const [sequence, wait] of this.#formerWaits.reverse()) {
      if (wait === undefined) this.#waits.delete(sequence);
      else this.#waits.set(sequence, wait);
    }
    this.#untaken = [];
    this.#formerWaits = [];
  }

  #letGo(sequence: number): Lease {
    const lease = this.#taken.get(sequence)!;
    this.#taken.delete(sequence);
    this.#untaken.push(lease);
    return lease;
  }

  #setWait(sequence: number, wait: Wait | undefined): void {
    const former = this.#waits.get(sequence);
    if (former === wait) return;
    this.#formerWaits.push([sequence, former]);
    if (wait === undefined) this.#waits.delete(sequence);
    else this.#waits.set(sequence, wait);
  }

  /** The outbox was removed: whoever waits for room finds out by trying. */
  leave(): void {
    this.#gone = true;
    this.#counted = empty;
    this.#queue = undefined;
    this.#taken.clear();
    this.#waits.clear();
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
    const leases = sequences.map((sequence) => this.#letGo(sequence))
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
    if (this.#waits.size > 0) { for (const sequence of sequences) this.#setWait(sequence, undefined); }
  }

  /** Whether a failed attempt is written. */
  #isKept(lease: Lease, lane: Lane | undefined): boolean {
    return (lane !== undefined && lane !== lease.lane) || isPowerOfTwo(lease.attempts + 1);
  }

  #retry(queue: number, retried: NonNullable<OutboxWork["retried"]>): void {
    for (const { sequence, lane } of retried) {
      const lease = this.#taken.get(sequence)!;
      if (!this.#isKept(lease, lane)) continue;
      const to = laneBits[lane ?? lease.lane] + sequence;
      this.#sql.moveMessage.run(queue, laneBits[lease.lane] + sequence, to, lease.attempts + 1);
      if (lane !== undefined && lane !== lease.lane) this.#doubtOrder();
    }
    this.settleRetried(retried);
  }

  /** The part of a retry that is in memory. */
  settleRetried(retried: NonNullable<OutboxWork["retried"]>): void {
    for (const { sequence, atMs, lane } of retried) {
      const lease = this.#letGo(sequence);
      const attempts = lease.attempts + 1;
      const isNeeded = atMs > 0 || !this.#isKept(lease, lane);
      this.#setWait(sequence, isNeeded ? { atMs, attempts } : undefined);
    }
    this.#startOver();
  }

  /** A message was put between others: what stood side by side may not any more. */
  #doubtOrder(): void {
    for (const lease of this.#taken.values()) lease.previous = undefined;
    this.#startOver();
  }

  #bury(queue: number, buried: NonNullable<OutboxWork["buried"]>): Amount {
    const amount = { rows: 0, bytes: 0 };
    for (const { sequence, reason, diedMs } of buried) {
      const lease = this.#letGo(sequence);
      this.#setWait(sequence, undefined);
      const from = laneBits[lease.lane] + sequence;
      this.#sql.bury.run(queue, from, sequence, lease.attempts + 1, diedMs, toStored(reason));
      this.#sql.outboxRange.delete.run(queue, from, from);
      amount.rows++;
      amount.bytes += lease.bytes;
    }
    this.#remove(amount);
    const { deadRows, deadBytes } = this.#counted;
    this.#count({ deadRows: deadRows + amount.rows, deadBytes: deadBytes + amount.bytes });
    return this.#dropDead(queue);
  }

  #dropDead(queue: number): Amount {
    const dropped = { rows: 0, bytes: 0 };
    const { deadRows, deadBytes } = this.#counted;
    const { deadRowsMax, deadBytesMax } = this.#settings;
    const isWithin = () => deadRows - dropped.rows <= deadRowsMax && deadBytes - dropped.bytes <= deadBytesMax;
    if (isWithin()) return dropped;
    let last: number | undefined;
    for (const row of this.#sql.deadRange.front.iterate(queue, 0, sequenceMax, deadRows)) {
      dropped.rows++;
      dropped.bytes += row.bytes as number;
      last = row.rest as number;
      if (isWithin()) break;
    }
    if (last === undefined) return dropped;
    this.#sql.deadRange.delete.run(queue, 0, last);
    this.#count({ deadRows: deadRows - dropped.rows, deadBytes: deadBytes - dropped.bytes });
    return dropped;
  }

  /** The ranges of dead letters that a list means, with their sizes. */
  *#deadOnes(queue: number, which: readonly number[] | "all"): Generator<Amount & { first: number; last: number }> {
    if (which === "all") {
      const { deadRows: rows, deadBytes: bytes } = this.#counted;
      yield { first: 0, last: sequenceMax, rows, bytes };
      return;
    }
    for (const sequence of which) {
      const row = this.#sql.deadRange.front.get(queue, sequence, sequence, 1);
      if (row !== undefined) yield { first: sequence, last: sequence, rows: 1, bytes: row.bytes as number };
    }
  }

  #replay(queue: number, which: readonly number[] | "all"): void {
    for (const { first, last, rows, bytes } of this.#deadOnes(queue, which)) {
      this.#sql.exhume.run(queue, first, last);
      this.#count({ rows: this.#counted.rows + rows, bytes: this.#counted.bytes + bytes });
      this.#dropDeadRange(queue, first, last, { rows, bytes });
    }
    this.#doubtOrder();
  }

  #clear(queue: number, which: readonly number[] | "all"): void {
    for (const { first, last, rows, bytes } of this.#deadOnes(queue, which)) {
      this.#dropDeadRange(queue, first, last, { rows, bytes });
    }
  }

  #dropDeadRange(queue: number, first: number, last: number, { rows, bytes }: Amount): void {
    this.#sql.deadRange.delete.run(queue, first, last);
    this.#count({ deadRows: this.#counted.deadRows - rows, deadBytes: this.#counted.deadBytes - bytes });
  }

  #append(queue: number, messages: readonly Message[]): Amount {
    const { onFull, order, rowsMax, bytesMax } = this.#settings;
    const dropped = { rows: 0, bytes: 0 };
    let { rows, bytes, last } = this.#counted;
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
      rows++;
      bytes += size;
    }
    this.#count({ rows, bytes, last });
    if (onFull !== "dropOldest") return dropped;
    return this.#dropFront(queue, (_createdMs, gone) => {
      const left = this.#counted.rows - gone.rows;
      return left > 1 && (left > rowsMax || this.#counted.bytes - gone.bytes > bytesMax);
    });
  }

  /**
   * Drops messages that are not taken from the front while `wants` says so. Those of the resend lane go first: they
   * were live before what is live now.
   */
  #dropFront(queue: number, wants: (createdMs: number, gone: Amount) => boolean): Amount {
    const gone = { rows: 0, bytes: 0 };
    for (const bit of [resendBit, 0]) {
      let after = bit;
      for (let isWanted = true; isWanted;) {
        const rows = this.#sql.ages.all(queue, after, bit + sequenceMax, dropPageRows);
        let first: number | undefined;
        let last = 0;
        const dropRun = () => {
          if (first !== undefined) this.#sql.outboxRange.delete.run(queue, bit + first, bit + last);
          first = undefined;
        };
        for (const row of rows) {
          const sequence = row.sequence as number;
          after = bit + sequence;
          if (this.#taken.has(sequence)) {
            dropRun();
            continue;
          }
          isWanted = gone.rows < dropRowsMax && gone.bytes < dropBytesMax && wants(row.created as number, gone);
          if (!isWanted) break;
          first ??= sequence;
          last = sequence;
          gone.rows++;
          gone.bytes += row.bytes as number;
          this.#setWait(sequence, undefined);
        }
        dropRun();
        isWanted &&= rows.length === dropPageRows;
      }
    }
    this.#remove(gone);
    return gone;
  }

  // ---- dead letters

  deadLetters({ after = 0, limit }: { readonly after?: number; readonly limit: number }): DeadLetter[] {
    const queue = this.#queue;
    if (queue === undefined || this.#counted.deadRows === 0) return [];
    return this.#context.read(() =>
      this.#sql.deadLetters.all(queue, after, sequenceMax, limit).map((row) => ({
        sequence: row.sequence as number,
        ...(row.key === null ? {} : { key: fromStored(row.key) as string }),
        payload: fromStored(row.payload),
        createdMs: row.created as number,
        attempts: row.attempts as number,
        reason: fromStored(row.reason) as string,
        diedMs: row.died as number,
      }))
    );
  }

  deadLetter(sequence: number): DeadLetter | undefined {
    const [letter] = this.deadLetters({ after: sequence - 1, limit: 1 });
    return letter?.sequence === sequence ? letter : undefined;
  }
}

/**
 * Deletes from the front of a range of one owner: up to so many rows or bytes, because a long deletion would hold up
 * everything else. True when nothing is left.
 */
export function clearSlice(
  { front, delete: remove }: RangeStatements,
  owner: number,
  first: number,
  last: number,
  limit: { readonly rows: number; readonly bytes: number },
): boolean {
  const rows = front.all(owner, first, last, limit.rows);
  let end: number | undefined;
  let bytes = 0;
  let count = 0;
  for (const row of rows) {
    end = row.rest as number;
    bytes += row.bytes as number;
    count++;
    if (bytes >= limit.bytes) break;
  }
  if (end !== undefined) remove.run(owner, first, end);
  return count === rows.length && rows.length < limit.rows;
}
