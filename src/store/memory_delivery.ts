/**
 * Delivery that forgets: for `weir query`, rule tests and unit tests. It is also what the durable one is compared with,
 * so it is written for plainness: lists that are searched from the front.
 * @module
 */
import {
  type Checkpoint,
  type Committed,
  type DeadLetter,
  defaultOutboxSettings,
  type DeliverySizes,
  type DeliveryStore,
  type DeliveryUnit,
  type Dropped,
  type Lane,
  type LogEntry,
  type Message,
  type Outbox,
  type OutboxCounts,
  OutboxFullError,
  type OutboxSettings,
  type OutboxWork,
  type Taken,
  type TakeOptions,
} from "./delivery_store.ts";
import {
  checkUnit,
  hasRoom,
  mergeSettings,
  messagesBytes,
  movedPositions,
  payloadBytes,
  settled,
} from "./delivery_unit.ts";
import { GroupCommit, type Outcome } from "./group_commit.ts";

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

class MemoryOutbox implements Outbox {
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

class MemoryRule {
  readonly incarnation: string;
  /** Something of it was committed. */
  kept = false;
  checkpoint: Checkpoint | undefined;
  checkpointSequence = 0;
  log: LogEntry[] = [];
  lastLogSequence = 0;
  positions: ReadonlyMap<string, string> = new Map();
  /** The highest sequence of outboxes that were removed. */
  retired = 0;
  readonly outboxes = new Map<string, MemoryOutbox>();
  readonly keptActions = new Set<string>();

  constructor(incarnation: string) {
    this.incarnation = incarnation;
  }
}

export class MemoryDelivery implements DeliveryStore {
  readonly #group: GroupCommit<DeliveryUnit, Committed>;
  readonly #rules = new Map<string, MemoryRule>();
  #incarnations = 0;
  readonly #inUse = Promise.withResolvers<void>();
  #closed = false;

  /** @param schedule calls `run` at the end of this turn of the event loop */
  constructor(schedule: (run: () => void) => void = setImmediate) {
    this.#group = new GroupCommit((units) => units.map((unit) => this.#commit(unit)), schedule);
  }

  #rule(name: string): MemoryRule {
    this.#requireOpen();
    let rule = this.#rules.get(name);
    if (rule === undefined) this.#rules.set(name, rule = new MemoryRule(`memory-${++this.#incarnations}`));
    this.#inUse.resolve();
    return rule;
  }

  isInUse(): boolean {
    return this.#incarnations > 0;
  }

  whenInUse(): Promise<void> {
    return this.#inUse.promise;
  }

  preload(): void {}

  rules(): string[] {
    this.#requireOpen();
    return [...this.#rules].filter(([, { kept }]) => kept).map(([name]) => name).sort();
  }

  incarnation(rule: string): string {
    return this.#rule(rule).incarnation;
  }

  checkpoint(rule: string): Checkpoint | undefined {
    return this.#rule(rule).checkpoint;
  }

  log(rule: string): Iterable<LogEntry> {
    return [...this.#rule(rule).log];
  }

  lastLogSequence(rule: string): number {
    return this.#rule(rule).lastLogSequence;
  }

  positions(rule: string): ReadonlyMap<string, string> {
    return this.#rule(rule).positions;
  }

  lastSequence(rule: string): number {
    const { lastLogSequence, retired, outboxes } = this.#rule(rule);
    return Math.max(lastLogSequence, retired, ...[...outboxes.values()].map(({ lastSequence }) => lastSequence));
  }

  actions(rule: string): string[] {
    return [...this.#rule(rule).keptActions].sort();
  }

  outbox(rule: string, action: string, settings: Partial<OutboxSettings> = {}): MemoryOutbox {
    const { outboxes } = this.#rule(rule);
    let outbox = outboxes.get(action);
    if (outbox === undefined) {
      outboxes.set(action, outbox = new MemoryOutbox(rule, action, mergeSettings(defaultOutboxSettings, settings)));
    } else {
      outbox.settings = mergeSettings(outbox.settings, settings);
      outbox.wakeWaiters();
    }
    return outbox;
  }

  commit(unit: DeliveryUnit): Promise<Committed> {
    try {
      this.#requireOpen();
    } catch (error) {
      return Promise.reject(error);
    }
    for (const work of unit.outboxes ?? []) this.outbox(unit.rule, work.action).markSettling(work, true);
    return this.#group.add(unit, "process");
  }

  flush(): void {
    this.#group.flush();
  }

  #commit(unit: DeliveryUnit): Outcome<Committed> {
    const rule = this.#rule(unit.rule);
    const works = unit.outboxes ?? [];
    try {
      const { lastLogSequence, checkpointSequence } = rule;
      const outbox = (action: string) => this.outbox(unit.rule, action);
      checkUnit(unit, { lastLogSequence, checkpointSequence, outbox });
      for (const work of works) this.outbox(unit.rule, work.action).checkRoom(work);
    } catch (error) {
      for (const work of works) this.outbox(unit.rule, work.action).markSettling(work, false);
      return { error };
    }
    const dropped: Dropped[] = [];
    for (const work of works) {
      const outbox = this.outbox(unit.rule, work.action);
      if ((work.append ?? []).length > 0) rule.keptActions.add(work.action);
      dropped.push(...outbox.apply(work));
      outbox.wakeWaiters();
    }
    const { log = [], positions = new Map<string, string | null>(), checkpoint } = unit;
    rule.log.push(...log);
    rule.lastLogSequence = log.at(-1)?.sequence ?? rule.lastLogSequence;
    rule.positions = movedPositions(rule.positions, positions);
    if (checkpoint !== undefined) {
      rule.checkpoint = checkpoint ?? undefined;
      const upTo = rule.checkpointSequence = checkpoint?.sequence ?? rule.lastLogSequence;
      rule.log = rule.log.filter(({ sequence }) => sequence > upTo);
    }
    rule.kept ||= rule.keptActions.size > 0 || log.length > 0 || positions.size > 0 || checkpoint !== undefined;
    return { result: { dropped } };
  }

  remove(name: string): void {
    this.#requireOpen();
    this.flush();
    for (const outbox of this.#rules.get(name)?.outboxes.values() ?? []) outbox.leave();
    this.#rules.delete(name);
  }

  removeOutbox(name: string, action: string): void {
    this.#requireOpen();
    this.flush();
    const rule = this.#rule(name);
    const outbox = rule.outboxes.get(action);
    rule.retired = Math.max(rule.retired, outbox?.lastSequence ?? 0);
    outbox?.leave();
    rule.outboxes.delete(action);
    rule.keptActions.delete(action);
  }

  removeOrphans(exists: (rule: string) => boolean): string[] {
    const orphans = this.rules().filter((name) => !exists(name));
    for (const name of orphans) this.remove(name);
    return orphans;
  }

  maintain(): boolean {
    this.#requireOpen();
    return false;
  }

  sizes(): DeliverySizes {
    return { databaseBytes: 0, freeBytes: 0, walBytes: 0 };
  }

  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    for (const { outboxes } of this.#rules.values()) for (const outbox of outboxes.values()) outbox.leave();
  }

  #requireOpen(): void {
    if (this.#closed) throw new Error("The store is closed");
  }
}
