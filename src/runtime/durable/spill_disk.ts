/**
 * What a {@linkcode SpillQueue} has on disk: the outbox of the action, read and written as the queue needs it.
 *
 * Invariant: a message counts as on disk from its commit until it is said to be done, though it is taken off later.
 * @module
 */
import type { Clock, Logger } from "../../connector/context.ts";
import type { Committed, DeliveryStore, Outbox, TakenMessage } from "../../store/delivery_store.ts";
import type { Item } from "../send_queue.ts";
import { type CacheSettings, outboxSettingsOf } from "./cache_settings.ts";
import { bodyOf } from "../addressed_item.ts";
import { decodeKept, encodeItem, encodeItemWithId } from "./message_codec.ts";

export interface SpillDiskOptions {
  readonly rule: string;
  /** The name of the outbox: `0_mqtt`. */
  readonly action: string;
  readonly delivery: DeliveryStore;
  readonly settings: CacheSettings;
  /** What is kept: the messages of the sink, or rows. */
  readonly accepts: "payloads" | "rows";
  /** A limit took messages away, for this reason. */
  readonly onDropped: (reason: string, count: number) => void;
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

/** Messages, and bytes, that are read at most at once. */
const readRowsMax = 1024;
const readBytesMax = 1024 * 1024;

export class SpillDisk {
  /** Tells this life of the rule from others. */
  readonly incarnation: string;
  readonly #options: SpillDiskOptions;
  readonly #outbox: Outbox;
  /** Done, and to be taken off. */
  #done: number[] = [];
  /** Those, and the ones of commits that are under way. */
  #settling = 0;
  /** The limits are above what is set, as a stop has brought more. */
  #isRaised = false;
  /** Messages may be in the lane of the resends, from a time when the rule had another `qos`. */
  #hasResends = true;

  /** @throws {StoreError} when the disk or the database fails */
  constructor(options: SpillDiskOptions) {
    this.#options = options;
    const { delivery, rule, action } = options;
    this.incarnation = delivery.incarnation(rule);
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

  /** Messages that are not done. */
  get length(): number {
    return this.#outbox.counts().rows - this.#settling;
  }

  /** Messages that nobody has taken. */
  get waiting(): number {
    const { rows, takenRows } = this.#outbox.counts();
    return rows - takenRows;
  }

  /**
   * When the oldest was made, Unix milliseconds.
   *
   * @throws {StoreError}
   */
  oldestMs(): number | undefined {
    return this.#outbox.oldestMs();
  }

  /** Done messages that are still to be taken off. */
  get hasDone(): boolean {
    return this.#done.length > 0;
  }

  // ---------------------------------------------------------------- reading

  /**
   * Takes the oldest: none when none is ready, and then perhaps when some will be, Unix milliseconds. Without those that
   * are too old, damaged, or were kept for a sink that took something else: these are done.
   *
   * @throws {StoreError}
   */
  take(
    max = this.#options.settings.bufferPageSize,
  ): { readonly messages: readonly WaitingMessage[]; readonly waitUntilMs?: number } {
    const rowsMax = Math.min(max, readRowsMax);
    while (true) {
      const limits = { rowsMax, bytesMax: readBytesMax, nowMs: this.#options.clock.now() };
      let taken = this.#outbox.take({ ...limits, lane: this.#hasResends ? "resend" : "live" });
      if (this.#hasResends && taken.messages.length === 0) {
        this.#hasResends = false;
        taken = this.#outbox.take(limits);
      }
      const messages = this.#readable(taken.messages);
      if (messages.length === 0 && taken.messages.length > 0) continue;
      return { ...taken, messages };
    }
  }

  #readable(taken: readonly TakenMessage[]): WaitingMessage[] {
    const { accepts, log, action, onDropped } = this.#options;
    const messages: WaitingMessage[] = [];
    const [expired, damaged]: [number[], number[]] = [[], []];
    for (const { sequence, payload, createdMs } of taken) {
      if (this.isTooOld(createdMs)) {
        expired.push(sequence);
        continue;
      }
      try {
        const { item, id = `${this.incarnation}-${sequence}` } = decodeKept(payload, accepts);
        messages.push({ sequence, item, createdMs, id });
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        damaged.push(sequence);
        log.error("A message that was kept cannot be sent", { action, sequence, reason: error.message });
      }
    }
    for (const [reason, sequences] of [["age", expired], ["unreadable", damaged]] as const) {
      if (sequences.length > 0) onDropped(reason, sequences.length);
      this.done(sequences);
    }
    return messages;
  }

  isTooOld(createdMs: number): boolean {
    const { settings: { cacheAgeMax }, clock } = this.#options;
    return cacheAgeMax > 0 && createdMs < clock.now() - cacheAgeMax;
  }

  /**
   * Takes those that a sender has already, and returns which of them there are. They are the oldest; only replayed dead
   * letters may stand before them. When the disk fails, none is: they will be sent again, with their ids.
   *
   * @throws {StoreError}
   */
  claim(sequences: readonly number[]): ReadonlySet<number> {
    const found = new Set<number>();
    const last = sequences.at(-1)!;
    const wanted = new Set(sequences);
    const others: number[] = [];
    try {
      for (let isBeyond = wanted.size === 0; found.size < wanted.size && !isBeyond;) {
        const rowsMax = wanted.size - found.size;
        const { messages } = this.#outbox.take({ rowsMax, nowMs: this.#options.clock.now() });
        for (const { sequence } of messages) {
          if (wanted.has(sequence)) found.add(sequence);
          else others.push(sequence);
        }
        isBeyond = messages.length === 0 || messages.at(-1)!.sequence >= last;
      }
    } catch (error) {
      this.release([...found]);
      throw error;
    } finally {
      this.release(others);
    }
    return found;
  }

  /** Gives back what was taken. */
  release(sequences: readonly number[]): void {
    if (sequences.length > 0) this.#outbox.release(sequences);
  }

  // ---------------------------------------------------------------- writing

  /** They need not stay; the next commit takes them off. */
  done(sequences: readonly number[]): void {
    this.#done.push(...sequences);
    this.#settling += sequences.length;
  }

  /**
   * Writes a page, and takes off what is done or too old. Nothing has changed when it rejects.
   *
   * @throws {OutboxFullError | StoreError}
   */
  async commit(page: readonly WaitingMessage[]): Promise<Committed["dropped"]> {
    const { delivery, rule, action, settings, clock } = this.#options;
    const append = page.map(({ sequence, item, createdMs, id }) => ({
      sequence,
      createdMs,
      payload: id === undefined ? encodeItem(item) : encodeItemWithId(item, id),
    }));
    const expires = settings.cacheAgeMax > 0 ? { expiredAtMs: clock.now() } : {};
    const delivered = this.#done;
    this.#done = [];
    try {
      const { dropped } = await delivery.commit({ rule, outboxes: [{ action, delivered, append, ...expires }] });
      this.#settling -= delivered.length;
      if (this.#isRaised) this.#setLimits();
      return dropped;
    } catch (error) {
      this.#done = [...delivered, ...this.#done];
      throw error;
    }
  }

  /** Resolves when a page would find room that found none. */
  whenRoom(page: readonly WaitingMessage[]): Promise<void> {
    const bytes = page.reduce((sum, { item }) => {
      const body = bodyOf(item);
      return sum + (Array.isArray(body) ? 0 : body.length);
    }, 0);
    return this.#outbox.whenRoom(page.length, bytes);
  }

  /** For what is left at a stop there is room. */
  raiseLimits(): void {
    const { delivery, rule, action } = this.#options;
    delivery.outbox(rule, action, { rowsMax: Number.MAX_SAFE_INTEGER, bytesMax: Number.MAX_SAFE_INTEGER });
  }

  /**
   * Commits now what was given to `commit()`, and resolves when it is done.
   *
   * @throws as `commit()`
   */
  async now<T>(commit: Promise<T>): Promise<T> {
    this.#options.delivery.flush();
    return await commit;
  }

  /**
   * Forgets all that is not taken, a slice at a time. Dead letters stay.
   *
   * @throws {StoreError}
   */
  async clear(): Promise<void> {
    const { delivery, rule, action } = this.#options;
    delivery.outbox(rule, action, { ageMaxMs: 0 });
    for (let rows = Infinity; this.#outbox.counts().rows < rows;) {
      rows = this.#outbox.counts().rows;
      const delivered = this.#done.splice(0);
      const outboxes = [{ action, delivered, expiredAtMs: Number.MAX_SAFE_INTEGER }];
      await this.now(delivery.commit({ rule, outboxes }));
      this.#settling -= delivered.length;
    }
  }
}
