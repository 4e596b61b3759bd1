/**
 * The queue of an action whose messages are kept until the sink has them: they come through the journal of the rule, in
 * the transaction of what brought them, and wait in the outbox of the store.
 *
 * Invariants: a message is given to the sink only after its commit; it leaves the outbox only after the sink has it, or
 * has refused it for good; a stop or a kill in between gives it again, with the same id.
 * @module
 */
import type { Clock, Logger } from "../../connector/context.ts";
import type { Outbox, OutboxWork, TakenMessage } from "../../store/delivery_store.ts";
import { StoreError } from "../../store/store_error.ts";
import type { Item, Sending, SendQueue } from "../send_queue.ts";
import { Waiters } from "../waiters.ts";
import { decodeItem, encodeItem } from "./message_codec.ts";
import type { RuleJournal } from "./rule_journal.ts";

export interface OutboxQueueOptions {
  /** `0_mqtt`. */
  readonly action: string;
  readonly outbox: Outbox;
  readonly journal: RuleJournal;
  /** Tells this life of the rule from others; see `DeliveryStore.incarnation`. */
  readonly incarnation: string;
  /** What the sink takes. */
  readonly accepts: "payloads" | "rows";
  /** A limit took messages away, for this reason. */
  readonly onDropped: (reason: string, rows: number) => void;
  /** So many are dead letters, as they cannot be read. */
  readonly onUnreadable: (rows: number) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

interface TakenSending extends Sending {
  readonly messages: readonly TakenMessage[];
}

/** What a sink gets in one write. */
const takeLimits = { rowsMax: 1024, bytesMax: 1024 * 1024 };
/** Between two looks at a store that cannot be read. */
const troubleMs = 1000;

export class OutboxQueue implements SendQueue {
  readonly blocked = false;
  readonly finished = true;
  readonly buries = true;
  readonly #options: OutboxQueueOptions;
  /** Given to the journal, and not committed yet. */
  #uncommitted = 0;
  /** Done with, and still in the outbox. */
  #settling = 0;
  #stopping = false;
  #cancelTimer: (() => void) | undefined;
  readonly #arrival = new Waiters();
  readonly #idle = new Waiters();

  constructor(options: OutboxQueueOptions) {
    this.#options = options;
    const { action, journal, onDropped } = options;
    journal.listen(action, {
      committed: (rows) => this.#committed(rows),
      dropped: ({ reason, rows }) => onDropped(reason === "full" ? "buffer full" : reason, rows),
    });
  }

  get length(): number {
    return this.#options.outbox.counts().rows + this.#uncommitted - this.#settling;
  }

  /** The journal holds the delivery: its source is told when the messages are kept, not when they are sent. */
  add(items: readonly Item[]): void {
    this.#uncommitted += items.length;
    this.#options.journal.append(this.#options.action, items.map(encodeItem));
  }

  #committed(rows: number): void {
    this.#uncommitted -= rows;
    this.#arrival.wake();
    if (this.length === 0) this.#idle.wake();
  }

  room(): Promise<void> {
    return Promise.resolve();
  }

  idle(): Promise<void> {
    return this.length === 0 || this.#stopping ? Promise.resolve() : this.#idle.wait();
  }

  arrival(): Promise<void> {
    return this.#stopping ? Promise.resolve() : this.#arrival.wait();
  }

  take(): TakenSending | undefined {
    const { outbox, clock } = this.#options;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    try {
      const { messages, waitUntilMs } = outbox.take({ ...takeLimits, nowMs: clock.now() });
      if (messages.length > 0) return this.#readable(messages) ?? this.take();
      if (waitUntilMs !== undefined) this.#wakeAfter(Math.max(1, waitUntilMs - clock.now()));
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#options.log.error("An outbox cannot be read and will be tried again", { reason: error.message });
      this.#wakeAfter(troubleMs);
    }
    return undefined;
  }

  /** Without those that are damaged, or were kept for a sink that took something else. Undefined when none is left. */
  #readable(taken: readonly TakenMessage[]): TakenSending | undefined {
    const { action, incarnation, accepts, clock } = this.#options;
    const messages: TakenMessage[] = [];
    const items: Item[] = [];
    const buried: { sequence: number; reason: string; diedMs: number }[] = [];
    for (const message of taken) {
      try {
        items.push(decodeItem(message.payload, accepts));
        messages.push(message);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        buried.push({ sequence: message.sequence, reason: error.message, diedMs: clock.now() });
      }
    }
    if (buried.length > 0) {
      this.#options.onUnreadable(buried.length);
      this.#settle({ action, buried }, buried.length);
    }
    if (messages.length === 0) return undefined;
    return { messages, items, ids: messages.map(({ sequence }) => `${incarnation}-${sequence}`) };
  }

  #wakeAfter(ms: number): void {
    this.#cancelTimer = this.#options.clock.after(ms, () => this.#arrival.wake());
  }

  sent(sending: Sending, refused?: ReadonlyMap<number, string>): void {
    const { messages } = sending as TakenSending;
    const diedMs = this.#options.clock.now();
    const delivered: number[] = [];
    const buried: { sequence: number; reason: string; diedMs: number }[] = [];
    for (const [i, { sequence }] of messages.entries()) {
      const reason = refused?.get(i);
      if (reason === undefined) delivered.push(sequence);
      else buried.push({ sequence, reason, diedMs });
    }
    this.#settle({ action: this.#options.action, delivered, buried }, messages.length);
  }

  /** They are in the outbox until that is committed, and nobody sends them again meanwhile. */
  #settle(work: OutboxWork, count: number): void {
    this.#settling += count;
    void this.#options.journal.settle(work).then(() => {
      this.#settling -= count;
      if (this.length === 0) this.#idle.wake();
    });
  }

  gaveBack(): boolean {
    return false;
  }

  /** No delivery waits for it. */
  letGo(): void {}

  stop(): void {
    this.#stopping = true;
    this.#cancelTimer?.();
    this.#arrival.wake();
    this.#idle.wake();
  }

  /** What is left stays for the next start. */
  close(): number {
    this.#options.outbox.release();
    return 0;
  }
}
