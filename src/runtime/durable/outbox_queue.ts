/**
 * The queue of an action whose messages are kept until the sink has them: they come through the journal of the rule, in
 * the transaction of what brought them, and wait in the outbox of the store.
 *
 * Invariants: a message is given to the sink only after its commit; it leaves the outbox only after the sink has it, or
 * has refused it for good; a stop or a kill in between gives it again, with the same id.
 * @module
 */
import type { Clock, Logger } from "../../connector/context.ts";
import type { Lane, Outbox, OutboxSettings, OutboxWork, TakenMessage } from "../../store/delivery_store.ts";
import { settled } from "../../store/delivery_unit.ts";
import { StoreError } from "../../store/store_error.ts";
import type { Item, Sending, SendLane, SendQueue } from "../send_queue.ts";
import { Waiters } from "../waiters.ts";
import { Expiry } from "./expiry.ts";
import { decodeKept, encodeItem } from "./message_codec.ts";
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
  /** Those of the outbox. */
  readonly limits: Partial<Pick<OutboxSettings, "rowsMax" | "bytesMax">>;
  /** A limit took messages away, for this reason. */
  readonly onDropped: (reason: string, rows: number) => void;
  /** So many are dead letters, as they cannot be read. */
  readonly onUnreadable: (rows: number) => void;
  /** Milliseconds that a message may wait. */
  readonly ageMaxMs?: number;
  /** What cannot be sent at once goes to a lane of its own, with a sender of its own. */
  readonly alter?: AlterOptions;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface AlterOptions {
  /** -1: new messages go first; 1: those that are sent again, while their sink can be reached; 0: nobody waits. */
  readonly priority: -1 | 0 | 1;
  /** So many changed over. */
  readonly onDiverted: (count: number) => void;
}

interface TakenSending extends Sending {
  readonly messages: readonly TakenMessage[];
}

/** What a sink gets in one write. */
const takeLimits = { rowsMax: 1024, bytesMax: 1024 * 1024, batchBytesMax: 16 * 1024 * 1024 };
/** Between two looks at a store that cannot be read. */
const troubleMs = 1000;

export class OutboxQueue implements SendQueue {
  readonly blocked = false;
  readonly finished = true;
  readonly buries = true;
  readonly diverts: boolean;
  /** With `alter`: what the second sender takes from. */
  readonly resend: SendLane | undefined;
  readonly #options: OutboxQueueOptions;
  /** Given to the journal, and not committed yet. */
  #uncommitted = 0;
  /** Done with, and still in the outbox. */
  #settling = 0;
  /** Messages in the lane of the resends. After a start an upper bound, until that lane was found empty once. */
  #resends = 0;
  /** Of these, what the second sender has. */
  #resending = 0;
  #isTaken = false;
  #isReachable = true;
  #canResend = true;
  #diverting = false;
  /** Commits under way that bring messages into that lane. */
  #changing = 0;
  #stopping = false;
  readonly #cancelTimers: Partial<Record<Lane, () => void>> = {};
  readonly #expiry: Expiry | undefined;
  readonly #arrival = new Waiters();
  readonly #idle = new Waiters();

  constructor(options: OutboxQueueOptions) {
    this.#options = options;
    const { action, journal, outbox, onDropped, alter, ageMaxMs, clock } = options;
    if (ageMaxMs !== undefined) {
      const expire = () => void journal.settle({ action, expiredAtMs: clock.now() });
      this.#expiry = new Expiry({ ageMaxMs, oldestMs: () => outbox.oldestMs(), expire, clock });
    }
    this.diverts = alter !== undefined;
    if (alter !== undefined) {
      this.#resends = outbox.counts().rows;
      this.resend = this.#resendLane(alter);
    }
    journal.listen(action, {
      committed: (rows) => this.#committed(rows),
      dropped: ({ reason, rows }) => onDropped(reason === "full" ? "buffer full" : reason, rows),
    });
  }

  get length(): number {
    return this.#options.outbox.counts().rows + this.#uncommitted - this.#settling;
  }

  /** Without those that are done with and still there, as they count as taken. */
  get available(): number {
    const { rows, takenRows } = this.#options.outbox.counts();
    return rows - takenRows - (this.#resends - this.#resending);
  }

  /** What is uncommitted waits for room: its rows, or by their share its bytes, are more than there may be. */
  get crowded(): boolean {
    if (this.#uncommitted === 0) return false;
    const { rowsMax = Infinity, bytesMax = Infinity } = this.#options.limits;
    const { rows, bytes } = this.#options.outbox.counts();
    const expected = rows + this.#uncommitted;
    return expected > rowsMax || (rows > 0 && (bytes / rows) * expected > bytesMax);
  }

  /** The journal holds the delivery: its source is told when the messages are kept, not when they are sent. */
  add(items: readonly Item[]): void {
    this.#uncommitted += items.length;
    this.#options.journal.append(this.#options.action, items.map(encodeItem));
  }

  #committed(rows: number): void {
    this.#uncommitted -= rows;
    if (!this.#isReachable && !this.#isTaken) void this.#divert();
    this.#arrival.wake();
    this.#wakeIdle();
  }

  room(): Promise<void> {
    return Promise.resolve();
  }

  idle(): Promise<void> {
    return this.#isEmpty || this.#stopping ? Promise.resolve() : this.#idle.wait();
  }

  /**
   * Not by the length: between a commit and our being told of it, what has just gone is still counted as on its way out, in
   * place of what is waiting.
   */
  get #isEmpty(): boolean {
    return this.#uncommitted === 0 && this.#options.outbox.counts().rows === 0;
  }

  #wakeIdle(): void {
    if (this.#isEmpty) this.#idle.wake();
  }

  arrival(): Promise<void> {
    return this.#stopping ? Promise.resolve() : this.#arrival.wait();
  }

  take(max?: number): TakenSending | undefined {
    const { alter } = this.#options;
    if (alter?.priority === 1 && this.#canResend && this.#resends > 0) return undefined;
    const sending = this.#takeFrom("live", max);
    this.#isTaken = sending !== undefined;
    return sending;
  }

  #takeFrom(lane: Lane, max?: number): TakenSending | undefined {
    const { outbox, clock } = this.#options;
    const bytesMax = max === undefined ? takeLimits.bytesMax : takeLimits.batchBytesMax;
    this.#cancelTimers[lane]?.();
    delete this.#cancelTimers[lane];
    try {
      const { messages, waitUntilMs } = outbox.take({
        rowsMax: max ?? takeLimits.rowsMax,
        bytesMax,
        lane,
        nowMs: clock.now(),
      });
      if (messages.length > 0) return this.#readable(messages) ?? this.#takeFrom(lane, max);
      if (waitUntilMs !== undefined) this.#wakeAfter(lane, Math.max(1, waitUntilMs - clock.now()));
      else if (lane === "resend" && this.#changing === 0 && this.#resends > 0) {
        this.#resends = 0;
        this.#arrival.wake();
      }
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#options.log.error("An outbox cannot be read and will be tried again", { reason: error.message });
      this.#wakeAfter(lane, troubleMs);
    }
    return undefined;
  }

  /** Without those that are damaged, or were kept for a sink that took something else. Undefined when none is left. */
  #readable(taken: readonly TakenMessage[]): TakenSending | undefined {
    const { action, incarnation, accepts, clock, ageMaxMs = Infinity, onDropped } = this.#options;
    const messages: TakenMessage[] = [];
    const items: Item[] = [];
    const ids: string[] = [];
    const buried: { sequence: number; reason: string; diedMs: number }[] = [];
    const expired: number[] = [];
    for (const message of taken) {
      if (message.createdMs < clock.now() - ageMaxMs) {
        expired.push(message.sequence);
        continue;
      }
      try {
        // One that was tried when the rule had `qos` 0 brings its id.
        const { item, id = `${incarnation}-${message.sequence}` } = decodeKept(message.payload, accepts);
        items.push(item);
        ids.push(id);
        messages.push(message);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        buried.push({ sequence: message.sequence, reason: error.message, diedMs: clock.now() });
      }
    }
    if (expired.length > 0) {
      onDropped("age", expired.length);
      this.#settle({ action, delivered: expired }, expired.length);
    }
    if (buried.length > 0) {
      this.#options.onUnreadable(buried.length);
      this.#settle({ action, buried }, buried.length);
    }
    if (messages.length === 0) return undefined;
    return { messages, items, ids };
  }

  #wakeAfter(lane: Lane, ms: number): void {
    this.#cancelTimers[lane] = this.#options.clock.after(ms, () => this.#arrival.wake());
  }

  sent(sending: Sending, refused?: ReadonlyMap<number, string>): void {
    this.#isTaken = false;
    this.#done(sending, refused);
    if (!this.#isReachable) void this.#divert();
    // Those that wait until nothing new is there.
    if (this.#options.alter?.priority === -1) this.#arrival.wake();
  }

  #done(sending: Sending, refused?: ReadonlyMap<number, string>): void {
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
    void this.#options.journal.settle(work).then((isKept) => {
      // What could not be marked is for the next run, which counts it as found.
      if (!isKept) return this.#options.outbox.release([...settled(work)]);
      this.#settling -= count;
      this.#wakeIdle();
    });
  }

  // ---------------------------------------------------------------- with a second lane

  gaveBack(sending: Sending): boolean {
    const { messages } = sending as TakenSending;
    if (!this.diverts) return this.#releaseOld(messages);
    this.#isTaken = false;
    void this.#changeOver(messages);
    return true;
  }

  /** Messages wait longer while a sink is away, so it is then that they get too old. True when some are. */
  #releaseOld(messages: readonly TakenMessage[]): boolean {
    const { ageMaxMs = Infinity, outbox, clock } = this.#options;
    if (messages[0]!.createdMs >= clock.now() - ageMaxMs) return false;
    outbox.release(messages.map(({ sequence }) => sequence));
    return true;
  }

  reachable(isReachable: boolean): void {
    this.#isReachable = isReachable;
    // What the sender has comes back first.
    if (!isReachable && !this.#isTaken) void this.#divert();
  }

  /** Messages in the lane of the resends. */
  get resendLength(): number {
    return this.#resends;
  }

  async #changeOver(messages: readonly TakenMessage[]): Promise<void> {
    const { action, alter, journal } = this.#options;
    this.#resends += messages.length;
    this.#changing++;
    alter?.onDiverted(messages.length);
    const isKept = await journal.settle({
      action,
      retried: messages.map(({ sequence }) => ({ sequence, atMs: 0, lane: "resend" as const })),
    });
    if (!isKept) this.#options.outbox.release(messages.map(({ sequence }) => sequence));
    this.#changing--;
  }

  /** While the sink cannot be reached, nothing waits for it. */
  async #divert(): Promise<void> {
    if (!this.diverts || this.#diverting) return;
    this.#diverting = true;
    while (!this.#isReachable && !this.#stopping) {
      const sending = this.#takeFrom("live");
      if (sending === undefined) break;
      await this.#changeOver(sending.messages);
    }
    this.#diverting = false;
  }

  #resendLane({ priority }: AlterOptions): SendLane {
    const resends = () => this.#resends;
    return {
      finished: true,
      buries: true,
      get available() {
        return resends();
      },
      crowded: false,
      take: (max?: number) => {
        // Those that wait for room in a full outbox are no reason: only what leaves it makes some.
        const fresh = this.length - this.#uncommitted - this.#resends;
        if (priority === -1 && this.#isReachable && fresh > 0) return undefined;
        const sending = this.#takeFrom("resend", max);
        this.#resending = sending?.messages.length ?? 0;
        // New messages may have waited for what is not there.
        if (sending === undefined && priority === 1) this.#arrival.wake();
        return sending;
      },
      arrival: () => this.arrival(),
      sent: (sending, refused) => {
        this.#resends = Math.max(0, this.#resends - (sending as TakenSending).messages.length);
        this.#resending = 0;
        this.#done(sending, refused);
        if (priority === 1) this.#arrival.wake();
      },
      gaveBack: (sending) => {
        const isTakenBack = this.#releaseOld((sending as TakenSending).messages);
        if (isTakenBack) this.#resending = 0;
        return isTakenBack;
      },
      reachable: (canResend) => {
        this.#canResend = canResend;
        this.#arrival.wake();
      },
    };
  }

  /** No delivery waits for it. */
  letGo(): void {}

  stop(): void {
    this.#stopping = true;
    for (const cancel of Object.values(this.#cancelTimers)) cancel();
    this.#expiry?.stop();
    this.#arrival.wake();
    this.#idle.wake();
  }

  /** What is left stays for the next start. */
  close(): number {
    this.#options.outbox.release();
    return 0;
  }
}
