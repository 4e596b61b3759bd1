/**
 * The queue of an action with `resendAlterQueue`, in a rule with `qos` 0: what its sink cannot take at once goes to a
 * second queue, which a second sink empties, and new messages do not wait for it.
 *
 * Invariants: a message is in one of the two queues; it changes over in the order in which it came, and never back; while
 * the sink cannot be reached, everything changes over at once.
 * @module
 */
import type { Item, Sending, SendLane, SendQueue } from "../send_queue.ts";
import { Waiters } from "../waiters.ts";
import type { WaitingMessage } from "./spill_disk.ts";
import type { SpillQueue } from "./spill_queue.ts";

export interface AlterQueueOptions {
  /** New messages that may wait before the source is held back. */
  readonly bound: number;
  /** -1: new messages go first; 1: those that are sent again, while their sink can be reached; 0: nobody waits. */
  readonly priority: -1 | 0 | 1;
  readonly resends: SpillQueue;
  /** So many changed over. */
  readonly onDiverted: (count: number) => void;
}

/** Most messages that a sink gets in one write. */
const writeItemsMax = 1024;

export class AlterQueue implements SendQueue {
  readonly diverts = true;
  /** What the second sender takes from. */
  readonly resend: SendLane;
  readonly #options: AlterQueueOptions;
  readonly #resends: SpillQueue;
  /** In front those with the sender. */
  #live: WaitingMessage[] = [];
  /** Messages with the sender. */
  #taken = 0;
  #isReachable = true;
  #isStopping = false;
  readonly #arrival = new Waiters();
  readonly #room = new Waiters();
  readonly #idle = new Waiters();

  constructor(options: AlterQueueOptions) {
    this.#options = options;
    this.#resends = options.resends;
    this.resend = new ResendLane(options.resends, {
      waits: () => options.priority === -1 && this.#live.length > 0,
      moved: () => {
        if (options.priority === 1) this.#arrival.wake();
      },
    });
  }

  get length(): number {
    return this.#live.length + this.#resends.length;
  }

  /** New messages only. */
  get liveLength(): number {
    return this.#live.length;
  }

  get blocked(): boolean {
    return this.#live.length >= this.#options.bound || this.#resends.blocked;
  }

  get available(): number {
    return this.#live.length;
  }

  get crowded(): boolean {
    return this.blocked;
  }

  get finished(): boolean {
    return this.#live.length === 0;
  }

  /** As for a cache without a second queue, the source waits for none of this. */
  add(items: readonly Item[]): void {
    for (const message of this.#resends.numbered(items)) this.#live.push(message);
    if (this.#isReachable) this.#arrival.wake();
    else if (this.#taken === 0) this.#divert();
  }

  take(max = writeItemsMax): Sending | undefined {
    const { priority } = this.#options;
    const { isReachable } = this.resend as ResendLane;
    if (priority === 1 && isReachable && this.#resends.length > 0 && !this.#isStopping) return undefined;
    const messages = this.#live.slice(0, max);
    if (messages.length === 0) return undefined;
    this.#taken = messages.length;
    for (const message of messages) message.id ??= this.#resends.newId(message.sequence);
    return { items: messages.map(({ item }) => item), ids: messages.map(({ id }) => id!) };
  }

  sent(): void {
    this.#live = this.#live.slice(this.#taken);
    this.#taken = 0;
    if (!this.#isReachable) this.#divert();
    this.#moved();
  }

  gaveBack(): boolean {
    this.#taken = 0;
    this.#divert();
    return true;
  }

  reachable(isReachable: boolean): void {
    this.#isReachable = isReachable;
    // What the sender has comes back first.
    if (!isReachable && this.#taken === 0) this.#divert();
  }

  #divert(): void {
    const messages = this.#live;
    if (messages.length === 0) return;
    this.#live = [];
    this.#options.onDiverted(messages.length);
    this.#resends.addWaiting(messages);
    this.#moved();
  }

  #moved(): void {
    if (!this.blocked) this.#room.wake();
    if (this.#live.length > 0) return;
    this.#idle.wake();
    if (this.#options.priority === -1) this.#resends.wake();
  }

  wake(): void {
    this.#resends.wake();
  }

  arrival(): Promise<void> {
    return this.#isStopping ? Promise.resolve() : this.#arrival.wait();
  }

  async room(): Promise<void> {
    while (this.blocked && !this.#isStopping) {
      await (this.#resends.blocked ? this.#resends.room() : this.#room.wait());
    }
  }

  async idle(): Promise<void> {
    while (this.length > 0 && !this.#isStopping) {
      await (this.#live.length > 0 ? this.#idle.wait() : this.#resends.idle());
    }
  }

  /** No delivery waits for it. */
  letGo(): void {}

  stop(): void {
    this.#isStopping = true;
    this.#resends.stop();
    for (const waiters of [this.#arrival, this.#room, this.#idle]) waiters.wake();
  }

  /** What is left is sent again at the next start. */
  close(): Promise<number> {
    this.#taken = 0;
    this.#divert();
    return this.#resends.close();
  }
}

/** The second queue as its sender sees it. */
class ResendLane implements SendLane {
  isReachable = true;
  readonly #queue: SpillQueue;
  readonly #turn: { readonly waits: () => boolean; readonly moved: () => void };

  constructor(queue: SpillQueue, turn: { readonly waits: () => boolean; readonly moved: () => void }) {
    this.#queue = queue;
    this.#turn = turn;
  }

  get finished(): boolean {
    return this.#queue.finished;
  }

  get available(): number {
    return this.#queue.available;
  }

  get crowded(): boolean {
    return this.#queue.crowded;
  }

  take(max?: number): Sending | undefined {
    return this.#turn.waits() ? undefined : this.#queue.take(max);
  }

  arrival(): Promise<void> {
    return this.#queue.arrival();
  }

  sent(): void {
    this.#queue.sent();
    this.#turn.moved();
  }

  gaveBack(): boolean {
    return this.#queue.gaveBack();
  }

  reachable(isReachable: boolean): void {
    this.isReachable = isReachable;
    this.#turn.moved();
  }
}
