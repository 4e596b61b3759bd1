/**
 * The reading side of an outbox: which messages are next, and what is in memory of those that are taken or wait.
 *
 * It changes within a transaction, because the next unit of it builds on that; then either `keep()` or `putBack()` is
 * called.
 * @module
 */
import {
  type Lane,
  type Payload,
  sequenceMax,
  type Taken,
  type TakenMessage,
  type TakeOptions,
} from "./delivery_store.ts";
import { type DeliverySql, resendBit, type SqlRow } from "./delivery_sql.ts";
import { payloadBytes } from "./delivery_unit.ts";
import { fromStored } from "./stored_payload.ts";

/** A message that is taken. */
export interface Lease extends TakenMessage {
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

/** A message as it was appended. */
export interface FreshMessage {
  readonly sequence: number;
  readonly key: string | undefined;
  readonly payload: Payload;
  readonly createdMs: number;
  readonly bytes: number;
}

/** What of the newest messages is held in memory, so that a reader that keeps up need not read them back. */
const freshMax = { rows: 8192, bytes: 1024 * 1024 };

/** How many rows a look past blocked keys reads, and how many keys it asks for after that. */
const scanRowsMax = 1024;
const scanKeysMax = 256;

/** What a lane adds to the sequences of its messages in the table. */
export const laneBits: Readonly<Record<Lane, number>> = { live: 0, resend: resendBit };

export class OutboxReader {
  readonly #sql: DeliverySql;
  readonly #taken = new Map<number, Lease>();
  readonly #waits = new Map<number, Wait>();
  /** Up to here, every message of the lane is taken, or was dropped. Anything that frees one sets it back. */
  readonly #cursors: Record<Lane, number> = { live: 0, resend: 0 };
  #keyCursor: string | undefined;
  /** All messages that are not taken, in their order, while that is known; they are in the live lane then. */
  #fresh: FreshMessage[] | undefined;
  /** The first of them that is left. */
  #freshHead = 0;
  #freshBytes = 0;
  /** What a failed transaction puts back. */
  #untaken: Lease[] = [];
  #formerWaits: (readonly [sequence: number, wait: Wait | undefined])[] = [];

  constructor(sql: DeliverySql) {
    this.#sql = sql;
  }

  /** How many are taken. */
  get size(): number {
    return this.#taken.size;
  }

  has(sequence: number): boolean {
    return this.#taken.has(sequence);
  }

  /** A message that is taken, as checked before. */
  lease(sequence: number): Lease {
    return this.#taken.get(sequence)!;
  }

  markSettling(sequence: number, settling: boolean): void {
    const lease = this.#taken.get(sequence);
    if (lease !== undefined) lease.settling = settling;
  }

  /** Reads the next messages that are ready; a failed read takes nothing. */
  take(queue: number, order: "queue" | "key", options: TakeOptions): Taken {
    const looksPast = order === "key" && this.#waitsAfter(options.nowMs) !== undefined;
    if (this.#fresh !== undefined && this.#waits.size === 0 && (options.lane ?? "live") === "live") {
      return this.#takeFresh(options);
    }
    // What is read leaves those in memory behind.
    this.forgetFresh();
    return looksPast ? this.#takePastBlockedKeys(queue, options) : this.#takeInOrder(queue, options);
  }

  release(sequences?: readonly number[]): void {
    for (const sequence of sequences ?? [...this.#taken.keys()]) {
      if (this.#taken.get(sequence)?.settling === false) this.#taken.delete(sequence);
    }
    this.startOver();
  }

  /** Looks from the front again, as when a message became ready that was not. */
  startOver(): void {
    this.#cursors.live = this.#cursors.resend = 0;
    this.#keyCursor = undefined;
    this.forgetFresh();
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

  #newLease(row: SqlRow, lane: Lane, previous: number | undefined): Lease {
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
        if (!found.add(this.#newLease(row, lane, cursor === 0 ? undefined : cursor))) break;
      }
      cursor = sequence;
      if (found.isFull) break;
    }
    this.#cursors[lane] = cursor;
    return this.#hold(found, waitUntilMs);
  }

  #takeFresh(options: TakeOptions): Taken {
    const fresh = this.#fresh!;
    const found = new Collection(options);
    let cursor = this.#cursors.live;
    while (this.#freshHead < fresh.length && !found.isFull) {
      const { key, ...message } = fresh[this.#freshHead]!;
      const lease: Lease = {
        ...message,
        ...(key === undefined ? {} : { key }),
        lane: "live",
        attempts: 0,
        previous: cursor === 0 ? undefined : cursor,
        settling: false,
      };
      if (!found.add(lease)) break;
      this.#freshHead++;
      this.#freshBytes -= message.bytes;
      cursor = message.sequence;
    }
    this.#cursors.live = cursor;
    if (this.#freshHead === fresh.length) {
      this.#fresh = [];
      this.#freshHead = 0;
    }
    return this.#hold(found, undefined);
  }

  /** Messages were appended behind so many that were not taken. */
  appended(untaken: number, messages: readonly FreshMessage[]): void {
    if (untaken === 0 && this.#waits.size === 0) {
      this.#fresh ??= [];
    } else if (this.#fresh !== undefined && untaken !== this.#fresh.length - this.#freshHead) {
      this.forgetFresh();
    }
    const fresh = this.#fresh;
    if (fresh === undefined) return;
    for (const message of messages) {
      fresh.push(message);
      this.#freshBytes += message.bytes;
    }
    if (fresh.length - this.#freshHead > freshMax.rows || this.#freshBytes > freshMax.bytes) this.forgetFresh();
  }

  /** What is not taken has to be read. */
  forgetFresh(): void {
    this.#fresh = undefined;
    this.#freshHead = 0;
    this.#freshBytes = 0;
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
        found.add(this.#newLease(this.#sql.message.get(queue, bit + sequence)!, lane, undefined));
        if (found.isFull) break;
      } else if (key === null) {
        // It is from a time when the order was that of the queue: all behind it wait.
        return this.#hold(found, atMs);
      } else blocked.add(key);
    }
    if (rows.length < scanRowsMax) return this.#hold(found, this.#waitsAfter(nowMs));
    return found.messages.length === 0 ? this.#takeByKey(queue, options) : this.#hold(found, nowMs);
  }

  /** Goes from key to key when many messages of blocked keys stand in front, on from where it was cut off. */
  #takeByKey(queue: number, options: TakeOptions): Taken {
    const { lane = "live", rowsMax, nowMs } = options;
    const laneNumber = lane === "live" ? 0 : 1;
    const found = new Collection(options);
    for (let n = 0; n < scanKeysMax && found.messages.length === 0; n++) {
      const next = this.#keyCursor === undefined
        ? this.#sql.keyMessages.get(queue, laneNumber, "", 1) ?? this.#sql.nextKey.get(queue, laneNumber, "")
        : this.#sql.nextKey.get(queue, laneNumber, this.#keyCursor);
      this.#keyCursor = next?.key as string | undefined;
      if (next === undefined) return this.#hold(found, this.#waitsAfter(nowMs));
      const limit = rowsMax + this.#taken.size;
      for (const row of this.#sql.keyMessages.iterate(queue, laneNumber, next.key as string, limit)) {
        const sequence = row.sequence as number;
        if (this.#taken.has(sequence)) continue;
        if ((this.#waits.get(sequence)?.atMs ?? 0) > nowMs) break;
        found.add(this.#newLease(row, lane, undefined));
        if (found.isFull) break;
      }
    }
    // More keys are left than one call looks at; after a find the round begins again.
    if (found.messages.length > 0) this.#keyCursor = undefined;
    return this.#hold(found, nowMs);
  }

  // ---- changing

  /** The message is not taken any more. */
  letGo(sequence: number): Lease {
    const lease = this.#taken.get(sequence)!;
    this.#taken.delete(sequence);
    this.#untaken.push(lease);
    return lease;
  }

  /** Sets until when a message waits; undefined: it does not, or it is gone. */
  setWait(sequence: number, wait: Wait | undefined): void {
    const former = this.#waits.get(sequence);
    if (former === wait) return;
    this.#formerWaits.push([sequence, former]);
    if (wait === undefined) this.#waits.delete(sequence);
    else this.#waits.set(sequence, wait);
  }

  /** A message was put between others: what stood side by side may not any more. */
  doubtOrder(): void {
    for (const lease of this.#taken.values()) lease.previous = undefined;
    this.startOver();
  }

  keep(): void {
    this.#untaken = [];
    this.#formerWaits = [];
  }

  putBack(): void {
    this.forgetFresh();
    for (const lease of this.#untaken) this.#taken.set(lease.sequence, lease);
    for (const [sequence, wait] of this.#formerWaits.reverse()) {
      if (wait === undefined) this.#waits.delete(sequence);
      else this.#waits.set(sequence, wait);
    }
    this.keep();
  }

  clear(): void {
    this.#taken.clear();
    this.#waits.clear();
    this.forgetFresh();
  }
}
