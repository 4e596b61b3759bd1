/**
 * The queue of an action that keeps nothing across a stop: bounded, in memory.
 *
 * Invariants: what enters leaves exactly once, as sent, refused, dropped, or given up at the close; what the sender has
 * is not dropped; a delivery is released when the last of its messages has left, and not by a message that is given up.
 * @module
 */
import type { Delivery } from "./delivery.ts";
import type { Item, Sending, SendQueue } from "./send_queue.ts";
import { Waiters } from "./waiters.ts";

interface Entry {
  items: readonly Item[];
  delivery: Delivery | undefined;
}

/** What happens when it is full. */
export interface MemoryQueueLimit {
  readonly onFull: "block" | "dropOldest" | "dropNewest";
  readonly onDropped: (count: number) => void;
}

/** Most items given to a sink at once. */
const writeItemsMax = 1024;

export class MemoryQueue implements SendQueue {
  readonly #bound: number;
  readonly #limit: MemoryQueueLimit | undefined;
  readonly #holds: boolean;
  #queue: Entry[] = [];
  /** Taken off the queue, and not yet sent. */
  #writing: readonly Entry[] = [];
  #length = 0;
  #stopping = false;
  readonly #arrival = new Waiters();
  readonly #room = new Waiters();
  readonly #idle = new Waiters();

  /**
   * @param bound items from which on it is full
   * @param limit absent: it blocks
   * @param holds false when deliveries shall not wait for messages: those that wait for more to come, which come only when
   * sources need not wait
   */
  constructor(bound: number, limit?: MemoryQueueLimit, holds = true) {
    this.#bound = bound;
    this.#holds = holds;
    this.#limit = limit?.onFull === "block" ? undefined : limit;
  }

  get length(): number {
    return this.#length;
  }

  get available(): number {
    return this.#length;
  }

  get crowded(): boolean {
    return this.blocked;
  }

  get blocked(): boolean {
    return this.#limit === undefined && this.#length >= this.#bound;
  }

  get finished(): boolean {
    return this.#length === 0;
  }

  add(items: readonly Item[], delivery: Delivery | undefined): void {
    if (this.#limit?.onFull === "dropNewest") items = this.#fitting(items, this.#limit);
    if (items.length === 0) return;
    const held = this.#holds ? delivery : undefined;
    held?.hold();
    this.#queue.push({ items, delivery: held });
    this.#length += items.length;
    if (this.#limit?.onFull === "dropOldest") this.#dropOldest(this.#limit);
    this.#arrival.wake();
  }

  #fitting(items: readonly Item[], { onDropped }: MemoryQueueLimit): readonly Item[] {
    const room = Math.max(0, this.#bound - this.#length);
    if (items.length <= room) return items;
    onDropped(items.length - room);
    return items.slice(0, room);
  }

  #dropOldest({ onDropped }: MemoryQueueLimit): void {
    let dropped = 0;
    while (this.#length > this.#bound && this.#queue.length > 0) {
      const oldest = this.#queue[0]!;
      const count = Math.min(oldest.items.length, this.#length - this.#bound);
      oldest.items = oldest.items.slice(count);
      this.#length -= count;
      dropped += count;
      if (oldest.items.length > 0) break;
      this.#queue.shift();
      oldest.delivery?.release();
    }
    if (dropped > 0) onDropped(dropped);
  }

  room(): Promise<void> {
    return !this.blocked || this.#stopping ? Promise.resolve() : this.#room.wait();
  }

  idle(): Promise<void> {
    return this.#length === 0 || this.#stopping ? Promise.resolve() : this.#idle.wait();
  }

  arrival(seen = 0): Promise<void> {
    return this.#length > seen || this.#stopping ? Promise.resolve() : this.#arrival.wait();
  }

  /** Takes entries from the front up to a limit of items; without `max` at least one, however large it is. */
  take(max?: number): Sending | undefined {
    if (this.#queue.length === 0) return undefined;
    if (max !== undefined && this.#queue[0]!.items.length > max) this.#split(max);
    const limit = max ?? writeItemsMax;
    let items = 0;
    let count = 0;
    while (count < this.#queue.length && (count === 0 || items + this.#queue[count]!.items.length <= limit)) {
      items += this.#queue[count++]!.items.length;
    }
    if (max !== undefined && items < max && count < this.#queue.length) {
      this.#split(max - items, count);
      count++;
    }
    const entries = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    this.#writing = entries;
    return { items: entries.length === 1 ? entries[0]!.items : entries.flatMap((entry) => entry.items) };
  }

  /** Makes two entries of one; its delivery is held for both. */
  #split(items: number, index = 0): void {
    const entry = this.#queue[index]!;
    entry.delivery?.hold();
    const rest = { items: entry.items.slice(items), delivery: entry.delivery };
    this.#queue.splice(index, 1, { items: entry.items.slice(0, items), delivery: entry.delivery }, rest);
  }

  sent({ items }: Sending): void {
    const entries = this.#writing;
    this.#writing = [];
    for (const entry of entries) entry.delivery?.release();
    this.#length -= items.length;
    if (!this.blocked) this.#room.wake();
    if (this.#length === 0) this.#idle.wake();
  }

  gaveBack(): boolean {
    return false;
  }

  letGo(from: object): void {
    for (const entry of [...this.#writing, ...this.#queue]) {
      if (entry.delivery?.from !== from) continue;
      entry.delivery.release();
      entry.delivery = undefined;
    }
  }

  stop(): void {
    this.#stopping = true;
    this.#arrival.wake();
    this.#room.wake();
    this.#idle.wake();
  }

  close(): number {
    const left = this.#length;
    this.#queue = [];
    this.#writing = [];
    this.#length = 0;
    return left;
  }
}
