/**
 * What a rule with `qos` 1 or 2 keeps, in the order in which it happens: each batch with all that it did is one unit,
 * and its source is told only when the unit is committed.
 *
 * Invariants: units are committed in their order, each once; while one cannot be committed (a full outbox, a full
 * disk) it is tried again and those behind it wait, and the rule takes nothing more; nothing is ever left out of the
 * order. What a sink is done with is committed beside them, since it makes the room that they may wait for.
 * @module
 */
import type { Clock, Logger } from "../../connector/context.ts";
import {
  type Checkpoint,
  type Committed,
  type DeliveryStore,
  type DeliveryUnit,
  type Durability,
  type LogEntry,
  type Message,
  OutboxFullError,
  type OutboxWork,
  type Payload,
} from "../../store/delivery_store.ts";
import { messagesBytes } from "../../store/delivery_unit.ts";
import { StoreError } from "../../store/store_error.ts";
import { Backoff } from "../backoff.ts";
import type { Delivery } from "../delivery.ts";
import { Waiters } from "../waiters.ts";

export interface RuleJournalOptions {
  readonly rule: string;
  readonly delivery: DeliveryStore;
  readonly durability: Durability;
  readonly clock: Clock;
  readonly log: Logger;
  /** The rule cannot go on: a unit broke the rules of the store. */
  readonly onBroken: (error: unknown) => void;
}

/** Who wants to know what became of the messages of one action. */
export interface JournalListener {
  /** So many messages came, and are there to be taken; or, with 0, room or turns may have changed. */
  committed(rows: number): void;
  /** A limit took messages away. */
  dropped(dropped: Committed["dropped"][number]): void;
}

/** What batches did that are through, and are not committed yet. */
class OpenUnit {
  readonly log: LogEntry[] = [];
  readonly positions = new Map<string, string | null>();
  readonly messages = new Map<string, Message[]>();
  readonly deliveries: Delivery[] = [];
  checkpoint: Checkpoint | null | undefined;
  /** Of messages. */
  rows = 0;
  bytes = 0;

  get isEmpty(): boolean {
    return this.log.length === 0 && this.positions.size === 0 && this.rows === 0 && this.checkpoint === undefined;
  }

  toUnit(rule: string): DeliveryUnit {
    const outboxes = [...this.messages].map(([action, append]) => ({ action, append }));
    return {
      rule,
      ...(outboxes.length === 0 ? {} : { outboxes }),
      ...(this.log.length === 0 ? {} : { log: this.log }),
      ...(this.positions.size === 0 ? {} : { positions: this.positions }),
      ...(this.checkpoint === undefined ? {} : { checkpoint: this.checkpoint }),
    };
  }
}

/** What may wait for its commit before the rule takes nothing more. */
const waitingRowsMax = 8192;
const waitingBytesMax = 4 * 1024 * 1024;

export class RuleJournal {
  readonly #options: RuleJournalOptions;
  readonly #listeners = new Map<string, JournalListener>();
  /** The highest number given to a message or a log entry. */
  #sequence: number;
  /** The number of the last log entry: a checkpoint contains the log so far, whatever messages came behind it. */
  #lastLog: number;
  #open = new OpenUnit();
  /** The unit that is being committed. */
  #committing: OpenUnit | undefined;
  /** Ends when there is nothing to commit, or nothing can be. */
  #committingAll: Promise<void> | undefined;
  #givenUp: Delivery[] = [];
  readonly #room = new Waiters();
  readonly #idle = new Waiters();
  readonly #stopping = new AbortController();
  /** What the store has been asked for, and has not answered. */
  readonly #tries = new Set<Promise<unknown>>();
  /** Commits beside the order that have not ended. */
  #beside = 0;
  /** Why no unit can be committed at present. */
  #trouble: string | undefined;
  /** Why what is beside the order cannot be: it holds up nothing, since the next unit finds out by itself. */
  #troubleBeside: string | undefined;
  /** Nothing can be committed any more. */
  #broken = false;

  constructor(options: RuleJournalOptions) {
    this.#options = options;
    const { rule, delivery } = options;
    this.#sequence = delivery.lastSequence(rule);
    this.#lastLog = delivery.lastLogSequence(rule);
  }

  /** Of the last message or log entry. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Why nothing can be committed at present, for the status; undefined when all is well. */
  get trouble(): string | undefined {
    return this.#trouble ?? this.#troubleBeside;
  }

  listen(action: string, listener: JournalListener): void {
    this.#listeners.set(action, listener);
  }

  // ---------------------------------------------------------------- what a batch did

  /** Messages for an action, in their order. They are there to be taken after the commit. */
  append(action: string, payloads: readonly Payload[]): void {
    const createdMs = this.#options.clock.now();
    const unit = this.#open;
    let messages = unit.messages.get(action);
    if (messages === undefined) unit.messages.set(action, messages = []);
    for (const payload of payloads) {
      messages.push({ sequence: ++this.#sequence, payload, createdMs });
      unit.bytes += payload.length;
    }
    unit.rows += payloads.length;
  }

  /** An entry of the log of what entered the state. */
  log(payload: Payload): void {
    this.#lastLog = ++this.#sequence;
    this.#open.log.push({ sequence: this.#lastLog, payload });
    this.#open.bytes += payload.length;
  }

  /** Where the source of a stream stands behind the batch; null for one that begins anew at the next start. */
  position(stream: string, position: string | null): void {
    this.#open.positions.set(stream, position);
  }

  /** The state as it is now: the log so far is not needed any more. Null for a clean start. */
  checkpoint(plan: string, state: Payload | null): void {
    const timeMs = this.#options.clock.now();
    this.#open.checkpoint = state === null ? null : { plan, sequence: this.#lastLog, timeMs, state };
  }

  /** The batch is through: what it did may be committed, and then `delivery` is released. */
  endBatch(delivery?: Delivery): void {
    const unit = this.#open;
    if (delivery !== undefined) {
      // Nothing of it has to be kept, and nothing before it waits.
      if (unit.isEmpty && this.#committing === undefined) return;
      delivery.hold();
      unit.deliveries.push(delivery);
    }
    if (this.#committing === undefined && !unit.isEmpty && !this.#broken) this.#committingAll = this.#commitAll();
  }

  // ---------------------------------------------------------------- committing

  async #commitAll(): Promise<void> {
    while (!this.#open.isEmpty || this.#open.deliveries.length > 0) {
      const unit = this.#open;
      this.#committing = unit;
      this.#open = new OpenUnit();
      try {
        if (!unit.isEmpty) await this.#commitUnit(unit);
      } catch (error) {
        // The stop ends the waiting; the unit is not kept, and its source will give the batch again.
        this.#givenUp = unit.deliveries;
        this.#committing = undefined;
        this.#break(error);
        return;
      }
      for (const delivery of unit.deliveries) delivery.release();
      this.#committing = undefined;
      if (!this.blocked) this.#room.wake();
    }
    this.#idle.wake();
  }

  /** Resolves when it is committed, however long that takes. */
  async #commitUnit(unit: OpenUnit): Promise<void> {
    const { rule, delivery, durability } = this.#options;
    const backoff = new Backoff();
    while (true) {
      try {
        const { dropped } = await this.#try(delivery.commit(unit.toUnit(rule), durability));
        this.#committed(unit, dropped);
        return;
      } catch (error) {
        await this.#later(error, unit, backoff);
      }
    }
  }

  async #try(commit: Promise<Committed>): Promise<Committed> {
    this.#tries.add(commit);
    try {
      return await commit;
    } finally {
      this.#tries.delete(commit);
    }
  }

  #committed(unit: OpenUnit, dropped: Committed["dropped"]): void {
    this.#well();
    for (const each of dropped) this.#listeners.get(each.action)?.dropped(each);
    for (const [action, { length }] of unit.messages) this.#listeners.get(action)?.committed(length);
  }

  /** Waits until another try may succeed. */
  async #later(error: unknown, unit: OpenUnit, backoff: Backoff): Promise<void> {
    const { rule, delivery, clock } = this.#options;
    const { signal } = this.#stopping;
    signal.throwIfAborted();
    if (error instanceof OutboxFullError) {
      const messages = unit.messages.get(error.action) ?? [];
      const bytes = messagesBytes(messages);
      this.#trouble = `the outbox of action ${error.action} is full`;
      this.#idle.wake();
      await untilAborted(delivery.outbox(rule, error.action).whenRoom(messages.length, bytes), signal);
      return;
    }
    if (!(error instanceof StoreError)) throw error;
    this.#tellTrouble(error);
    this.#trouble = error.message;
    this.#idle.wake();
    await clock.sleep(backoff.next(), signal);
  }

  #tellTrouble(error: StoreError): void {
    const fields = { reason: error.message };
    if (this.trouble === error.message) this.#options.log.debug("Nothing can be kept still", fields);
    else this.#options.log.error("Nothing can be kept: the rule waits, and takes nothing more meanwhile", fields);
  }

  #well(): void {
    if (this.#trouble !== undefined) this.#options.log.info("What the rule does is kept again");
    this.#trouble = undefined;
  }

  #break(error: unknown): void {
    if (this.#stopping.signal.aborted || this.#broken) return;
    this.#broken = true;
    this.#idle.wake();
    this.#options.onBroken(error);
  }

  // ---------------------------------------------------------------- what a sink did

  /**
   * Beside the order of the batches: what became of taken messages. Tried again until it is committed, or, with false,
   * the rule stops.
   */
  settle(work: OutboxWork): Promise<boolean> {
    const settling = this.#settle(work).finally(() => this.#tries.delete(settling));
    this.#tries.add(settling);
    return settling;
  }

  async #settle(work: OutboxWork): Promise<boolean> {
    const { rule, delivery, clock } = this.#options;
    const backoff = new Backoff();
    this.#beside++;
    try {
      while (true) {
        try {
          // Whatever the durability: after a power cut that took it back, messages are sent again, with the ids they had.
          const { dropped } = await delivery.commit({ rule, outboxes: [work] }, "process");
          this.#troubleBeside = undefined;
          for (const each of dropped) this.#listeners.get(each.action)?.dropped(each);
          this.#listeners.get(work.action)?.committed(0);
          return true;
        } catch (error) {
          if (!(error instanceof StoreError)) throw error;
          this.#tellTrouble(error);
          this.#troubleBeside = error.message;
          this.#idle.wake();
          await clock.sleep(backoff.next(), this.#stopping.signal);
        }
      }
    } catch (error) {
      // What was sent and could not be marked so is sent again after the next start.
      this.#break(error);
      return false;
    } finally {
      this.#beside--;
      if (this.#isIdle) this.#idle.wake();
    }
  }

  // ---------------------------------------------------------------- waiting

  /** True while more waits for its commit than should. */
  get blocked(): boolean {
    const { rows, bytes } = this.#open;
    // A unit that is tried again holds up the next batches at once.
    return this.#broken || this.#trouble !== undefined || rows >= waitingRowsMax || bytes >= waitingBytesMax;
  }

  room(): Promise<void> {
    return !this.blocked || this.#stopping.signal.aborted ? Promise.resolve() : this.#room.wait();
  }

  get #isIdle(): boolean {
    return this.#committing === undefined && this.#open.isEmpty && this.#beside === 0;
  }

  /** After the stop: the batches that were not kept, so that their sources were not told. */
  get givenUp(): readonly Delivery[] {
    return [...this.#givenUp, ...this.#open.deliveries];
  }

  /**
   * Resolves when everything is committed, or, after `graceMs` or when nothing can be committed, without: what is given up
   * comes again from its source. True when nothing was.
   */
  async stop(graceMs: number): Promise<boolean> {
    const late = new Waiters();
    let isLate = false;
    const over = late.wait().then(() => void (isLate = true));
    const cancel = this.#options.clock.after(graceMs, () => late.wake());
    while (!this.#isIdle && !isLate && !this.#broken && this.trouble === undefined) {
      await Promise.race([this.#idle.wait(), over]);
    }
    cancel();
    const whole = this.#isIdle;
    this.#stopping.abort(new Error("The rule stops"));
    this.#room.wake();
    // What the store has been given may be kept still: the next start must not look before that is known.
    await Promise.allSettled(this.#tries);
    await this.#committingAll;
    return whole;
  }
}

/** Rejects with the signal's reason when it aborts first. */
function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
