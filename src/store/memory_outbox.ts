/**
 * One outbox in memory: a list that is searched from the front.
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
  type Taken,
  type TakeOptions,
} from "./delivery_store.ts";
import { hasRoom, messagesBytes, payloadBytes, settled } from "./delivery_unit.ts";

interface Held {
  readonly message: Message;
  lane: Lane;
  attempts: number;
  /** Not before this. */
  atMs: number;
  state: "waiting" | "taken" | "settling";
}

function sumBytes(items: readonly { readonly payload: Message["payload"] }[]): number {
  return items.reduce((sum, { payload }) => sum + payloadBytes(payload), 0);
}

export class MemoryOutbox implements Outbox {
  readonly rule: string;
  readonly action: string;
  settings: OutboxSettings;
  lastSequence = 0;
  #gone = false;
  /** In rising sequence. */
  #held: Held[] = [];
  #dead: DeadLetter[] = [];
  #roomWaiters: { readonly isMet: () => boolean; readonly resolve: () => void }[] = [];

  constructor(rule: string, action: string, settings: OutboxSettings) {
    this.rule = rule;
    this.action = action;
    this.settings = settings;
  }

  counts(): OutboxCounts {
    return {
      rows: this.#held.length,
      bytes: sumBytes(this.#held.map(({ message }) => message)),
      takenRows: this.#held.filter(({ state }) => state !== "waiting").length,
      deadRows: this.#dead.length,
      deadBytes: sumBytes(this.#dead),
    };
  }

  oldestMs(): number | undefined {
    return this.#held[0]?.message.createdMs;
  }

  isTaken(sequence: number): boolean {
    return this.#find(sequence) !== undefined;
  }

  #find(sequence: number): Held | undefined {
    return this.#held.find(({ message, state }) => message.sequence === sequence && state !== "waiting");
  }

  take({ lane = "live", rowsMax, bytesMax = Infinity, nowMs }: TakeOptions): Taken {
    const chosen: Held[] = [];
    const blocked = new Set<string>();
    let waitUntilMs: number | undefined;
    let bytes = 0;
    let isFull = rowsMax < 1;
    for (const held of this.#held) {
      if (isFull) break;
      const key = this.settings.order === "key" ? held.message.key ?? "" : "";
      if (held.lane !== lane || held.state !== "waiting" || blocked.has(key)) continue;
      if (held.atMs > nowMs) {
        blocked.add(key);
        waitUntilMs = Math.min(waitUntilMs ?? Infinity, held.atMs);
        if (this.settings.order === "queue") break;
        continue;
      }
      const size = payloadBytes(held.message.payload);
      isFull = chosen.length > 0 && bytes + size > bytesMax;
      if (isFull) break;
      chosen.push(held);
      bytes += size;
      isFull = chosen.length === rowsMax || bytes >= bytesMax;
    }
    for (const held of chosen) held.state = "taken";
    const messages = chosen.map(({ message, attempts }) => ({ ...message, lane, attempts }));
    return isFull || waitUntilMs === undefined ? { messages } : { messages, waitUntilMs };
  }

  release(sequences?: readonly number[]): void {
    for (const held of this.#held) {
      if (held.state === "taken" && sequences?.includes(held.message.sequence) !== false) held.state = "waiting";
    }
  }

  whenRoom(rows: number, bytes: number): Promise<void> {
    const isMet = () => this.#gone || hasRoom(this.counts(), this.settings, rows, bytes);
    if (isMet()) return Promise.resolve();
    return new Promise((resolve) => this.#roomWaiters.push({ isMet, resolve }));
  }

  wakeWaiters(): void {
    this.#roomWaiters = this.#roomWaiters.filter(({ isMet, resolve }) => {
      if (!isMet()) return true;
      resolve();
      return false;
    });
  }

  markSettling(work: OutboxWork, settling: boolean): void {
    for (const sequence of settled(work)) {
      const held = this.#find(sequence);
      if (held !== undefined) held.state = settling ? "settling" : "taken";
    }
  }

  checkRoom({ delivered = [], buried = [], append = [] }: OutboxWork): void {
    if (this.settings.onFull !== "block" || append.length === 0) return;
    const leaving = new Set([...delivered, ...buried.map(({ sequence }) => sequence)]);
    const left = this.#held.map(({ message }) => message).filter(({ sequence }) => !leaving.has(sequence));
    if (!hasRoom({ rows: left.length, bytes: sumBytes(left) }, this.settings, append.length, messagesBytes(append))) {
      throw new OutboxFullError(this.rule, this.action);
    }
  }

  apply(work: OutboxWork): Dropped[] {
    const dropped: Dropped[] = [];
    const tell = (reason: Dropped["reason"], gone: readonly { readonly payload: Message["payload"] }[]) => {
      if (gone.length === 0) return;
      dropped.push({ action: this.action, reason, rows: gone.length, bytes: sumBytes(gone) });
    };
    for (const sequence of work.delivered ?? []) this.#takeOut(sequence);
    for (const { sequence, atMs, lane } of work.retried ?? []) {
      const held = this.#find(sequence)!;
      Object.assign(held, { state: "waiting", attempts: held.attempts + 1, atMs, lane: lane ?? held.lane });
    }
    for (const { sequence, reason, diedMs } of work.buried ?? []) {
      const { message, attempts } = this.#takeOut(sequence);
      this.#dead.push({ ...message, attempts: attempts + 1, reason, diedMs });
    }
    this.#dead.sort((a, b) => a.sequence - b.sequence);
    if ((work.buried ?? []).length > 0) tell("dead", this.#dropDead());
    for (const { sequence, key, payload, createdMs } of this.#exhume(work.replayed)) {
      const message = { sequence, ...(key === undefined ? {} : { key }), payload, createdMs };
      this.#held.push({ message, lane: "live", attempts: 0, atMs: 0, state: "waiting" });
    }
    this.#held.sort((a, b) => a.message.sequence - b.message.sequence);
    this.#exhume(work.cleared);
    const { ageMaxMs } = this.settings;
    if (work.expiredAtMs !== undefined && ageMaxMs !== undefined) {
      const oldestMs = work.expiredAtMs - ageMaxMs;
      tell("age", this.#dropFront(({ createdMs }) => createdMs < oldestMs));
    }
    if (work.append !== undefined && work.append.length > 0) tell("full", this.#append(work.append));
    return dropped;
  }

  #takeOut(sequence: number): Held {
    return this.#held.splice(this.#held.indexOf(this.#find(sequence)!), 1)[0]!;
  }

  #dropDead(): DeadLetter[] {
    const { deadRowsMax, deadBytesMax } = this.settings;
    const gone: DeadLetter[] = [];
    while (this.#dead.length > deadRowsMax || sumBytes(this.#dead) > deadBytesMax) gone.push(this.#dead.shift()!);
    return gone;
  }

  #exhume(which: readonly number[] | "all" = []): DeadLetter[] {
    const chosen = this.#dead.filter(({ sequence }) => which === "all" || which.includes(sequence));
    this.#dead = this.#dead.filter((letter) => !chosen.includes(letter));
    return chosen;
  }

  #append(messages: readonly Message[]): Message[] {
    const { onFull, rowsMax, bytesMax, order } = this.settings;
    const gone: Message[] = [];
    for (const { key, ...message } of messages) {
      this.lastSequence = message.sequence;
      const { rows, bytes } = this.counts();
      const isFull = rows > 0 && (rows + 1 > rowsMax || bytes + payloadBytes(message.payload) > bytesMax);
      if (onFull === "dropNewest" && (isFull || gone.length > 0)) gone.push(message);
      else {
        const kept = order === "key" ? { ...message, key: key ?? "" } : message;
        this.#held.push({ message: kept, lane: "live", attempts: 0, atMs: 0, state: "waiting" });
      }
    }
    if (onFull !== "dropOldest") return gone;
    return this.#dropFront(() => {
      const { rows, bytes } = this.counts();
      return rows > 1 && (rows > rowsMax || bytes > bytesMax);
    });
  }

  #dropFront(wants: (message: Message) => boolean): Message[] {
    const gone: Message[] = [];
    for (const lane of ["resend", "live"] as const) {
      for (const held of this.#held.filter((each) => each.lane === lane && each.state === "waiting")) {
        if (!wants(held.message)) break;
        gone.push(held.message);
        this.#held.splice(this.#held.indexOf(held), 1);
      }
    }
    return gone;
  }

  leave(): void {
    this.#gone = true;
    this.#held = [];
    this.#dead = [];
    this.wakeWaiters();
  }

  deadLetters({ after = 0, limit }: { readonly after?: number; readonly limit: number }): DeadLetter[] {
    return this.#dead.filter(({ sequence }) => sequence > after).slice(0, limit);
  }

  deadLetter(sequence: number): DeadLetter | undefined {
    return this.#dead.find((letter) => letter.sequence === sequence);
  }
}
