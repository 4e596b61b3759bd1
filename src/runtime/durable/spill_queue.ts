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
import { OutboxFullError } from "../../store/delivery_store.ts";
import { StoreError } from "../../store/store_error.ts";
import type { Item, Sending, SendQueue } from "../send_queue.ts";
import { Waiters } from "../waiters.ts";
import { Expiry } from "./expiry.ts";
import { SpillDisk, type SpillDiskOptions, type WaitingMessage } from "./spill_disk.ts";

export interface SpillQueueOptions extends SpillDiskOptions {
  /** Gives the next number: all actions of a rule share them, so that one names one message of the rule. */
  readonly nextSequence: () => number;
  /** The store cannot be read or written; said once until it works again. */
  readonly onTrouble: (message: string) => void;
}

/** Where a message is. `loose`: with the sender only, as the disk had no room for it. */
type Place = "memory" | "spilling" | "disk" | "loose";

interface Kept extends WaitingMessage {
  place: Place;
  /** With the sender. */
  isTaken: boolean;
  isDone: boolean;
}

/** Most messages that a sink gets in one write. */
const writeItemsMax = 1024;
/** Most messages written in one commit. */
const spillRowsMax = 8192;
/** Before another try with a store that fails. */
const troubleMs = 1000;

export class SpillQueue implements SendQueue {
  readonly #options: SpillQueueOptions;
  readonly #disk: SpillDisk;
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
  #isDiskFull = false;
  #trouble: string | undefined;
  #pumping: Promise<void> | undefined;
  #isSpilling = false;
  /** Something on disk is too old. */
  #hasExpired = false;
  readonly #expiry: Expiry | undefined;
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
    this.#page = options.settings.bufferPageSize;
    this.#threshold = options.settings.memoryCacheThreshold;
    this.#disk = new SpillDisk(options);
    const { settings: { cacheAgeMax: ageMaxMs }, clock } = options;
    if (ageMaxMs > 0) {
      const oldestMs = () => this.#disk.oldestMs() ?? this.#memory[0]?.createdMs;
      this.#expiry = new Expiry({ ageMaxMs, oldestMs, expire: () => this.#expire(), clock });
    }
  }

  get length(): number {
    return this.#inMemory + this.#loose + this.#disk.length;
  }

  get available(): number {
    return this.length;
  }

  get crowded(): boolean {
    return this.blocked;
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
    return this.#inMemory === 0 || this.#disk.length > 0;
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
    return `${this.#disk.incarnation}-${this.#run}-${sequence}`;
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

  take(max?: number): Sending | undefined {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#isClosed) return undefined;
    let messages: readonly Kept[];
    try {
      messages = this.#disk.waiting > 0 ? this.#takeFromDisk(max) : this.#isSpilling ? [] : this.#takeFromMemory(max);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#unwell(error);
      this.#wakeAfter(troubleMs);
      return undefined;
    }
    if (messages.length === 0) return undefined;
    this.#sending = messages;
    return { items: messages.map(({ item }) => item), ids: messages.map(({ id }) => id!) };
  }

  #takeFromDisk(max?: number): readonly Kept[] {
    const { messages, waitUntilMs } = this.#disk.take(max);
    if (this.#disk.hasDone) this.#pump();
    if (messages.length > 0) {
      return messages.map((message) => ({ ...message, place: "disk", isTaken: true, isDone: false }));
    }
    if (waitUntilMs !== undefined) this.#wakeAfter(Math.max(1, waitUntilMs - this.#options.clock.now()));
    return this.#disk.waiting === 0 && !this.#isSpilling ? this.#takeFromMemory(max) : [];
  }

  #takeFromMemory(max = writeItemsMax): readonly Kept[] {
    this.#expireMemory();
    const messages = this.#memory.slice(0, max);
    for (const message of messages) {
      message.isTaken = true;
      message.id ??= this.newId(message.sequence);
    }
    return messages;
  }

  #expire(): void {
    this.#expireMemory();
    if (this.#disk.waiting === 0) return;
    this.#hasExpired = true;
    this.#pump();
  }

  /** Not what the sender has, or what is on its way to the disk: that stands in front. */
  #expireMemory(): void {
    const from = this.#memory.findIndex(({ place, isTaken }) => place === "memory" && !isTaken);
    if (from === -1) return;
    let end = from;
    while (end < this.#memory.length && this.#disk.isTooOld(this.#memory[end]!.createdMs)) end++;
    if (end === from) return;
    this.#memory.splice(from, end - from);
    this.#inMemory -= end - from;
    this.#drop("age", end - from);
    this.#moved();
  }

  /** What a sink refuses for good is not kept either. */
  sent(): void {
    const fromDisk: number[] = [];
    for (const message of this.#sending) {
      message.isDone = true;
      if (message.place === "disk") fromDisk.push(message.sequence);
      else if (message.place === "loose") this.#loose--;
      else this.#inMemory--;
    }
    this.#sending = [];
    this.#forgetDone();
    this.#disk.done(fromDisk);
    if (fromDisk.length > 0) this.#pump();
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
    if (this.#isSpilling || !this.#sending.some(({ createdMs }) => this.#disk.isTooOld(createdMs))) return false;
    this.#drop("age", this.#takeBack());
    return true;
  }

  /** Takes all from the sender. Returns how many that nobody has any more. */
  #takeBack(): number {
    const messages = this.#sending;
    this.#sending = [];
    for (const message of messages) message.isTaken = false;
    this.#disk.release(messages.filter(({ place }) => place === "disk").map(({ sequence }) => sequence));
    const { length } = messages.filter(({ place }) => place === "loose");
    this.#loose -= length;
    return length;
  }

  #drop(reason: string, count: number): void {
    if (count > 0) this.#options.onDropped(reason, count);
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
    return this.#hasExpired || this.#disk.hasDone || this.#pagesToSpill() > 0;
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
      for (const message of page) message.place = "spilling";
      this.#isSpilling = page.length > 0;
      try {
        await this.#commit(page);
      } catch (error) {
        this.#putBack(page);
        if (error instanceof OutboxFullError) this.#waitForRoom(page);
        else if (!(await this.#later(error))) return;
      }
    }
  }

  async #commit(page: readonly Kept[]): Promise<void> {
    this.#hasExpired = false;
    const dropped = await this.#disk.commit(page);
    this.#well();
    const missing = this.#arrived(page);
    for (const { reason, rows } of dropped) {
      // Those with the sender may be sent yet.
      if (reason === "full") this.#drop("buffer full", rows - missing);
      else this.#drop(reason, rows);
    }
    this.#isSpilling = false;
    this.#arrival.wake();
    this.#moved();
  }

  /** The page is on disk. Returns how many messages of it that the sender had are not. */
  #arrived(page: readonly Kept[]): number {
    this.#memory = this.#memory.slice(page.length);
    const taken = page.filter(({ isTaken }) => isTaken);
    for (const { isDone } of page) if (!isDone) this.#inMemory--;
    const found = this.#claim(taken);
    const done: number[] = [];
    for (const message of taken) {
      message.place = found.has(message.sequence) ? "disk" : "loose";
      if (message.isDone && message.place === "disk") done.push(message.sequence);
      if (!message.isDone && message.place === "loose") this.#loose++;
    }
    this.#disk.done(done);
    this.#forgetDone();
    return taken.length - found.size;
  }

  #claim(taken: readonly Kept[]): ReadonlySet<number> {
    try {
      return this.#disk.claim(taken.map(({ sequence }) => sequence));
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#unwell(error);
      return new Set();
    }
  }

  #putBack(page: readonly Kept[]): void {
    for (const message of page) message.place = "memory";
    this.#isSpilling = false;
    this.#forgetDone();
    this.#arrival.wake();
    this.#moved();
  }

  /** Only with `onFull: "block"`. */
  #waitForRoom(page: readonly Kept[]): void {
    this.#isDiskFull = true;
    void this.#disk.whenRoom(page).then(() => {
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
    const reason = messageOf(error);
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
    this.#expiry?.stop();
    for (const waiters of [this.#arrival, this.#room, this.#idle]) waiters.wake();
  }

  async close(): Promise<number> {
    this.#isClosed = true;
    await this.#disk.now(this.#pumping ?? Promise.resolve());
    return this.#takeBack() + (this.#options.settings.cleanCacheAtStop ? await this.#clear() : await this.#writeAll());
  }

  /** Returns how many could not be written. */
  async #writeAll(): Promise<number> {
    const left = this.#memory;
    if (left.length === 0 && !this.#disk.hasDone) return 0;
    try {
      this.#disk.raiseLimits();
      await this.#disk.now(this.#commit(left));
      return 0;
    } catch (error) {
      const { log, action } = this.#options;
      const fields = { action, count: left.length, reason: messageOf(error) };
      log.error("What was not sent cannot be kept for the next start", fields);
      this.#memory = [];
      this.#inMemory = 0;
      return left.length;
    }
  }

  /** Returns how many there were. */
  async #clear(): Promise<number> {
    const { log, action } = this.#options;
    const { length } = this.#memory;
    const onDisk = this.#disk.length;
    this.#memory = [];
    this.#inMemory = 0;
    try {
      await this.#disk.clear();
      return length + onDisk;
    } catch (error) {
      const fields = { action, reason: messageOf(error) };
      log.error("What was not sent cannot be forgotten, and is sent at the next start", fields);
      return length;
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
