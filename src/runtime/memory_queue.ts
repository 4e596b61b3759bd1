/**
 * The queue of an action that keeps nothing across a stop: bounded, in memory.
 *
 * Invariants: what enters leaves exactly once, as sent, refused, or given up at the close; a delivery is released when
 * the last of its messages has left, and not by a message that is given up.
 * @module
 */
import type { Delivery } from "./delivery.ts";
import type { Item, Sending, SendQueue } from "./send_queue.ts";
import { Waiters } from "./waiters.ts";

interface Entry {
  readonly items: readonly Item[];
  delivery: Delivery | undefined;
}

/** Most items given to a sink at once. */
const writeItemsMax = 1024;

export class MemoryQueue implements SendQueue {
  readonly #bound: number;
  #queue: Entry[] = [];
  /** Taken off the queue, and not yet sent. */
  #writing: readonly Entry[] = [];
  #length = 0;
  #stopping = false;
  readonly #arrival = new Waiters();
  readonly #room = new Waiters();
  readonly #idle = new Waiters();

  /** @param bound items from which on it is blocked */
  constructor(bound: number) {
    this.#bound = bound;
  }

  get length(): number {
    return this.#length;
  }

  get blocked(): boolean {
    return this.#length >= this.#bound;
  }

  get finished(): boolean {
    return this.#length === 0;
  }

  add(items: readonly Item[], delivery: Delivery | undefined): void {
    delivery?.hold();
    this.#queue.push({ items, delivery });
    this.#length += items.length;
    this.#arrival.wake();
  }

  room(): Promise<void> {
    return !this.blocked || this.#stopping ? Promise.resolve() : this.#room.wait();
  }

  idle(): Promise<void> {
    return this.#length === 0 || this.#stopping ? Promise.resolve() : this.#idle.wait();
  }

  arrival(): Promise<void> {
    return this.#queue.length > 0 || this.#stopping ? Promise.resolve() : this.#arrival.wait();
  }

  /** Takes entries from the front up to a limit of items, at least one. */
  take(): Sending | undefined {
    if (this.#queue.length === 0) return undefined;
    let items = 0;
    let count = 0;
    while (count < this.#queue.length && (count === 0 || items + this.#queue[count]!.items.length <= writeItemsMax)) {
      items += this.#queue[count++]!.items.length;
    }
    const entries = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    this.#writing = entries;
    return { items: entries.length === 1 ? entries[0]!.items : entries.flatMap((entry) => entry.items) };
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
