/**
 * The queue of an action that keeps on disk what its sink cannot take, in a rule with `qos` 0.
 *
 * Messages wait in memory, and nothing is written while the sink keeps up. When more than `memoryCacheThreshold` wait,
 * whole pages of the oldest go to the outbox of the action, and come back before what is still in memory. A stop writes
 * everything that is left; a killed process loses what was in memory.
 *
 * Invariants: a message is in memory or on disk; all on disk are older than all in memory, so that one order holds; there
 * is one commit at a time; what the sender holds stays where it is, and is told done there. A source waits for none of
 * this: once a message is here, its delivery is through.
 * @module
 */
import { randomBytes } from "node:crypto";
import type { Clock, Logger } from "../../connector/context.ts";
import { type DeliveryStore, type Outbox, OutboxFullError, type TakenMessage } from "../../store/delivery_store.ts";
import { StoreError } from "../../store/store_error.ts";
import type { Item, Sending, SendQueue } from "../send_queue.ts";
import { Waiters } from "../waiters.ts";
import { type CacheSettings, outboxSettingsOf } from "./cache_settings.ts";
import { decodeKept, encodeItem, encodeItemWithId } from "./message_codec.ts";

export interface SpillQueueOptions {
  readonly rule: string;
  /** The name of the outbox: `0_mqtt`. */
  readonly action: string;
  readonly delivery: DeliveryStore;
  readonly settings: CacheSettings;
  /** What is kept: the messages of the sink, or rows. */
  readonly accepts: "payloads" | "rows";
  /** Gives the next number: all actions of a rule share them, so that one names one message of the rule. */
  readonly nextSequence: () => number;
  /** A limit took messages away, for this reason. */
  readonly onDropped: (reason: string, count: number) => void;
  /** The store cannot be read or written; said once until it works again. */
  readonly onTrouble: (message: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A message that waits to be sent. */
export interface WaitingMessage {
  readonly sequence: number;
  readonly item: Item;
  /** Unix milliseconds. */
  readonly createdMs: number;
  /** Given at its first attempt, and kept from then on; of a message from disk, that of its place there. */
  id: string | undefined;
}

/** Where a message is. `loose`: with the sender only, as the disk had no room for it. */
type Place = "memory" | "spilling" | "disk" | "loose";

interface Kept extends WaitingMessage {
  place: Place;
  /** With the sender. */
  isTaken: boolean;
  isDone: boolean;
}

/** Most messages, and bytes of those from disk, that a sink gets in one write. */
const writeItemsMax = 1024;
const writeBytesMax = 1024 * 1024;
/** Most messages written in one commit. */
const spillRowsMax = 8192;
/** Before another try with a store that fails. */
const troubleMs = 1000;

export class SpillQueue implements SendQueue {
  readonly #options: SpillQueueOptions;
  readonly #outbox: Outbox;
  readonly #incarnation: string;
  /** Tells messages that were never on disk from those of other starts, which had the same numbers. */
  readonly #run = randomBytes(6).toString("hex");
  readonly #page: number;
  readonly #threshold: number;
  /** With the sender. */
  #sending: readonly Kept[] = [];
  /** In rising sequence; those with the sender stand in front. */
  #memory: Kept[] = [];
  /** Of those, the ones that are not done. */
  #inMemory = 0;
  /** Messages that only the sender has. */
  #loose = 0;
  /** Done, and to be taken off the disk. */
  #delivered: number[] = [];
  /** Those, and the ones of the commit that is under way. */
  #settling = 0;
  /** Limits of the outbox are above what is set, as a stop has brought more. */
  #isRaised = false;
  /** Messages may be in the lane of the resends, from a time when the rule had another `qos`. */
  #hasResends = true;
  #isDiskFull = false;
  #trouble: string | undefined;
  #pumping: Promise<void> | undefined;
  #spilling = false;
  #cancelTimer: (() => void) | undefined;
  #isStopping = false;
  #isClosed = false;
  readonly #stopped = new AbortController();
  readonly #arrival = new Waiters();
  readonly #room = new Waiters();
  readonly #idle = new Waiters();

  /** @throws {StoreError} when the disk or the database fails */
  constructor(options: SpillQueueOptions) {
    this.#options = options;
    const { delivery, rule, action, settings } = options;
    this.#page = settings.bufferPageSize;
    this.#threshold = settings.memoryCacheThreshold;
    this.#incarnation = delivery.incarnation(rule);
    this.#outbox = delivery.outbox(rule, action);
    this.#setLimits();
  }

  /** What a stop has written stays, even where that is more than the limit. */
  #setLimits(): void {
    const { delivery, rule, action, settings } = this.#options;
    const limits = outboxSettingsOf(settings, 0);
    const { rows, bytes } = this.#outbox.counts();
    const [rowsMax, bytesMax] = [Math.max(limits.rowsMax!, rows), Math.max(limits.bytesMax!, bytes)];
    this.#isRaised = rowsMax > limits.rowsMax! || bytesMax > limits.bytesMax!;
    delivery.outbox(rule, action, { ...limits, rowsMax, bytesMax });
  }

  get length(): number {
    return this.#inMemory + this.#loose + this.#onDisk;
  }

  get #onDisk(): number {
    return this.#outbox.counts().rows - this.#settling;
  }

  /** The commit of a page takes until the end of the turn; only a page more may come in meanwhile. */
  get blocked(): boolean {
    const { length } = this.#memory;
    if (length >= this.#threshold + this.#page) return true;
    return length >= this.#threshold && (this.#isDiskFull || this.#trouble !== undefined);
  }

  /** A sender that stops goes on with what is in memory. What is on disk already can wait there. */
  get finished(): boolean {
    if (this.#options.settings.cleanCacheAtStop) return this.length === 0;
    return this.#inMemory === 0 || this.#onDisk > 0;
  }

  // ---------------------------------------------------------------- messages come in

  add(items: readonly Item[]): void {
    this.addWaiting(this.numbered(items));
  }

  /** With their numbers, and not in the queue. */
  numbered(items: readonly Item[]): WaitingMessage[] {
    const { clock, nextSequence } = this.#options;
    const createdMs = clock.now();
    return items.map((item) => ({ sequence: nextSequence(), item, createdMs, id: undefined }));
  }

  /** What a message is called that is sent for the first time, and was not on disk before. */
  newId(sequence: number): string {
    return `${this.#incarnation}-${this.#run}-${sequence}`;
  }

  /** Takes in messages that have their numbers already, in rising order. */
  addWaiting(messages: readonly WaitingMessage[]): void {
    for (const { sequence, item, createdMs, id } of messages) {
      this.#memory.push({ sequence, item, createdMs, id, place: "memory", isTaken: false, isDone: false });
    }
    this.#inMemory += messages.length;
    this.#arrival.wake();
    if (this.#memory.length > this.#threshold) this.#pump();
  }

  // ---------------------------------------------------------------- messages go out

  take(): Sending | undefined {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#isClosed) return undefined;
    let taken: readonly Kept[] | undefined;
    try {
      taken = this.#takeFromDisk();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#unwell(error);
      this.#wakeAfter(troubleMs);
      return undefined;
    }
    const messages = taken ?? this.#takeFromMemory();
    if (messages.length === 0) return undefined;
    this.#sending = messages;
    return { items: messages.map(({ item }) => item), ids: messages.map(({ id }) => id!) };
  }

  /** Undefined when none is on disk, or on its way there. */
  #takeFromDisk(): readonly Kept[] | undefined {
    const { clock } = this.#options;
    while (true) {
      const { rows, takenRows } = this.#outbox.counts();
      if (rows === takenRows) return this.#spilling ? [] : undefined;
      const limits = { rowsMax: Math.min(this.#page, writeItemsMax), bytesMax: writeBytesMax, nowMs: clock.now() };
      let { messages, waitUntilMs } = this.#outbox.take({ ...limits, lane: this.#hasResends ? "resend" : "live" });
      if (this.#hasResends && messages.length === 0) {
        this.#hasResends = false;
        ({ messages, waitUntilMs } = this.#outbox.take(limits));
      }
      const kept = this.#readable(messages);
      if (kept.length > 0) return kept;
      if (messages.length > 0) continue;
      if (waitUntilMs !== undefined) this.#wakeAfter(Math.max(1, waitUntilMs - clock.now()));
      return [];
    }
  }

  /** Without those that are too old, damaged, or were kept for a sink that took something else. */
  #readable(taken: readonly TakenMessage[]): Kept[] {
    const { accepts, log, action } = this.#options;
    const kept: Kept[] = [];
    const [expired, damaged]: [number[], number[]] = [[], []];
    for (const { sequence, payload, createdMs } of taken) {
      if (this.#isTooOld(createdMs)) {
        expired.push(sequence);
        continue;
      }
      try {
        const { item, id = `${this.#incarnation}-${sequence}` } = decodeKept(payload, accepts);
        kept.push({ sequence, item, createdMs, id, place: "disk", isTaken: true, isDone: false });
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        damaged.push(sequence);
        log.error("A message that was kept cannot be sent", { action, sequence, reason: error.message });
      }
    }
    this.#drop("age", expired.length);
    this.#drop("unreadable", damaged.length);
    this.#settle([...expired, ...damaged]);
    return kept;
  }

  #takeFromMemory(): readonly Kept[] {
    let expired = 0;
    while (expired < this.#memory.length && this.#isTooOld(this.#memory[expired]!.createdMs)) expired++;
    if (expired > 0) {
      this.#memory = this.#memory.slice(expired);
      this.#inMemory -= expired;
      this.#drop("age", expired);
      this.#moved();
    }
    const messages = this.#memory.slice(0, writeItemsMax);
    for (const message of messages) {
      message.isTaken = true;
      message.id ??= this.newId(message.sequence);
    }
    return messages;
  }

  #isTooOld(createdMs: number): boolean {
    const { cacheAgeMax } = this.#options.settings;
    return cacheAgeMax > 0 && createdMs < this.#options.clock.now() - cacheAgeMax;
  }

  /** What a sink refuses for good is not kept either. */
  sent(): void {
    const delivered: number[] = [];
    for (const message of this.#sending) {
      message.isDone = true;
      if (message.place === "disk") delivered.push(message.sequence);
      else if (message.place === "loose") this.#loose--;
      else this.#inMemory--;
    }
    this.#sending = [];
    this.#forgetDone();
    this.#settle(delivered);
    this.#moved();
  }

  /** Those that are on their way to the disk stay until it is known whether they have arrived. */
  #forgetDone(): void {
    let count = 0;
    while (this.#memory[count]?.isDone === true && this.#memory[count]!.place === "memory") count++;
    if (count > 0) this.#memory = this.#memory.slice(count);
  }

  /** Messages wait longer while a sink is away, so it is then that they get too old. */
  gaveBack(): boolean {
    if (this.#spilling || !this.#sending.some(({ createdMs }) => this.#isTooOld(createdMs))) return false;
    this.#drop("age", this.#takeBack());
    return true;
  }

  /** Takes all from the sender. Returns how many that nobody has any more. */
  #takeBack(): number {
    const messages = this.#sending;
    this.#sending = [];
    for (const message of messages) message.isTaken = false;
    this.#outbox.release(messages.filter(({ place }) => place === "disk").map(({ sequence }) => sequence));
    const { length } = messages.filter(({ place }) => place === "loose");
    this.#loose -= length;
    return length;
  }

  #drop(reason: string, count: number): void {
    if (count > 0) this.#options.onDropped(reason, count);
  }

  #settle(sequences: readonly number[]): void {
    if (sequences.length === 0) return;
    this.#delivered.push(...sequences);
    this.#settling += sequences.length;
    this.#pump();
  }

  #moved(): void {
    if (!this.blocked) this.#room.wake();
    if (this.length === 0) this.#idle.wake();
  }

  // ---------------------------------------------------------------- between memory and disk

  #pump(): void {
    if (this.#isClosed) return;
    this.#pumping ??= this.#pumpAll().finally(() => {
      this.#pumping = undefined;
      // What came while the last commit ended.
      if (this.#hasWork && !this.#isStopping) this.#pump();
    });
  }

  get #hasWork(): boolean {
    return this.#delivered.length > 0 || this.#pagesToSpill() > 0;
  }

  /** Messages in front of the memory that shall go to disk: whole pages. */
  #pagesToSpill(): number {
    const excess = this.#memory.length - this.#threshold;
    if (excess <= 0 || this.#isDiskFull || this.#isClosed) return 0;
    const page = this.#page;
    return Math.max(page, Math.min(Math.ceil(excess / page), Math.floor(spillRowsMax / page)) * page);
  }

  async #pumpAll(): Promise<void> {
    while (this.#hasWork) {
      const page = this.#memory.slice(0, this.#pagesToSpill());
      const delivered = this.#delivered;
      this.#delivered = [];
      for (const message of page) message.place = "spilling";
      this.#spilling = page.length > 0;
      try {
        await this.#commit(page, delivered);
      } catch (error) {
        this.#putBack(page, delivered);
        if (error instanceof OutboxFullError) this.#waitForRoom(page);
        else if (!(await this.#later(error))) return;
      }
    }
  }

  async #commit(page: readonly Kept[], delivered: readonly number[]): Promise<void> {
    const { delivery, rule, action, settings, clock } = this.#options;
    const append = page.map(({ sequence, item, createdMs, id }) => ({
      sequence,
      createdMs,
      payload: id === undefined ? encodeItem(item) : encodeItemWithId(item, id),
    }));
    const expires = settings.cacheAgeMax > 0 ? { expiredAtMs: clock.now() } : {};
    const { dropped } = await delivery.commit({ rule, outboxes: [{ action, delivered, append, ...expires }] });
    this.#well();
    this.#settling -= delivered.length;
    const missing = this.#arrived(page);
    for (const { reason, rows } of dropped) {
      // Those with the sender may be sent yet.
      if (reason === "full") this.#drop("buffer full", rows - missing);
      else this.#drop(reason, rows);
    }
    if (this.#isRaised) this.#setLimits();
    this.#spilling = false;
    this.#arrival.wake();
    this.#moved();
  }

  /** The page is on disk. Returns how many messages of it that the sender had are not. */
  #arrived(page: readonly Kept[]): number {
    this.#memory = this.#memory.slice(page.length);
    const taken = page.filter(({ isTaken }) => isTaken);
    for (const { isDone } of page) if (!isDone) this.#inMemory--;
    const found = this.#claim(taken);
    const delivered: number[] = [];
    for (const message of taken) {
      message.place = found.has(message.sequence) ? "disk" : "loose";
      if (message.isDone && message.place === "disk") delivered.push(message.sequence);
      if (!message.isDone && message.place === "loose") this.#loose++;
    }
    this.#settling += delivered.length;
    this.#delivered.push(...delivered);
    this.#forgetDone();
    return taken.length - found.size;
  }

  /** Takes those that the sender has already. They are the oldest; only replayed dead letters may stand before them. */
  #claim(taken: readonly Kept[]): ReadonlySet<number> {
    const found = new Set<number>();
    if (taken.length === 0) return found;
    const wanted = new Set(taken.map(({ sequence }) => sequence));
    const last = taken.at(-1)!.sequence;
    const others: number[] = [];
    try {
      for (let isBeyond = false; found.size < wanted.size && !isBeyond;) {
        const rowsMax = wanted.size - found.size;
        const { messages } = this.#outbox.take({ rowsMax, nowMs: this.#options.clock.now() });
        for (const { sequence } of messages) {
          if (wanted.has(sequence)) found.add(sequence);
          else others.push(sequence);
        }
        isBeyond = messages.length === 0 || messages.at(-1)!.sequence >= last;
      }
    } catch (error) {
      // They are on disk all the same, and will be sent again, with their ids.
      if (!(error instanceof StoreError)) throw error;
      this.#unwell(error);
    }
    if (others.length > 0) this.#outbox.release(others);
    return found;
  }

  #putBack(page: readonly Kept[], delivered: readonly number[]): void {
    for (const message of page) message.place = "memory";
    this.#spilling = false;
    this.#delivered = [...delivered, ...this.#delivered];
    this.#forgetDone();
    this.#arrival.wake();
    this.#moved();
  }

  /** Only with `onFull: "block"`. */
  #waitForRoom(page: readonly Kept[]): void {
    this.#isDiskFull = true;
    const bytes = page.reduce((sum, { item }) => sum + (Array.isArray(item) ? 0 : item.length), 0);
    void this.#outbox.whenRoom(page.length, bytes).then(() => {
      this.#isDiskFull = false;
      this.#pump();
      this.#moved();
    });
  }

  /** Waits until another try may succeed. False when there is none any more. */
  async #later(error: unknown): Promise<boolean> {
    this.#unwell(error);
    if (this.#isStopping) return false;
    try {
      await this.#options.clock.sleep(troubleMs, this.#stopped.signal);
      return true;
    } catch {
      return false;
    }
  }

  #unwell(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (this.#trouble === reason) return;
    this.#trouble = reason;
    this.#options.onTrouble(reason);
    const { log, action } = this.#options;
    log.error("Messages cannot be kept on disk: what does not fit into memory has to wait", { action, reason });
  }

  #well(): void {
    if (this.#trouble === undefined) return;
    this.#trouble = undefined;
    this.#options.log.info("Messages are kept on disk again", { action: this.#options.action });
  }

  #wakeAfter(ms: number): void {
    this.#cancelTimer = this.#options.clock.after(ms, () => this.#arrival.wake());
  }

  // ---------------------------------------------------------------- waiting and ending

  /** Lets the sender look again. */
  wake(): void {
    this.#arrival.wake();
  }

  arrival(): Promise<void> {
    return this.#isStopping ? Promise.resolve() : this.#arrival.wait();
  }

  room(): Promise<void> {
    return !this.blocked || this.#isStopping ? Promise.resolve() : this.#room.wait();
  }

  idle(): Promise<void> {
    return this.length === 0 || this.#isStopping ? Promise.resolve() : this.#idle.wait();
  }

  /** No delivery waits for it. */
  letGo(): void {}

  stop(): void {
    this.#isStopping = true;
    this.#stopped.abort(new Error("The rule stops"));
    this.#cancelTimer?.();
    for (const waiters of [this.#arrival, this.#room, this.#idle]) waiters.wake();
  }

  async close(): Promise<number> {
    this.#isClosed = true;
    this.#options.delivery.flush();
    await this.#pumping;
    return this.#takeBack() + (this.#options.settings.cleanCacheAtStop ? await this.#clear() : await this.#writeAll());
  }

  /** Returns how many could not be written. */
  async #writeAll(): Promise<number> {
    const { delivery, rule, action, log } = this.#options;
    const left = this.#memory;
    try {
      if (left.length > 0 || this.#delivered.length > 0) {
        delivery.outbox(rule, action, { rowsMax: Number.MAX_SAFE_INTEGER, bytesMax: Number.MAX_SAFE_INTEGER });
        const committed = this.#commit(left, this.#delivered.splice(0));
        delivery.flush();
        await committed;
      }
      return 0;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.error("What was not sent cannot be kept for the next start", { action, count: left.length, reason });
      this.#memory = [];
      this.#inMemory = 0;
      return left.length;
    }
  }

  /** Returns how many there were. */
  async #clear(): Promise<number> {
    const { delivery, rule, action, log } = this.#options;
    const onDisk = this.#onDisk;
    const { length } = this.#memory;
    this.#memory = [];
    this.#inMemory = 0;
    try {
      delivery.outbox(rule, action, { ageMaxMs: 0 });
      for (let rows = Infinity; this.#outbox.counts().rows < rows;) {
        rows = this.#outbox.counts().rows;
        const delivered = this.#delivered.splice(0);
        const committed = delivery.commit({
          rule,
          outboxes: [{ action, delivered, expiredAtMs: Number.MAX_SAFE_INTEGER }],
        });
        delivery.flush();
        await committed;
        this.#settling -= delivered.length;
      }
      return length + onDisk;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.error("What was not sent cannot be forgotten, and is sent at the next start", { action, reason });
      return length;
    }
  }
}
