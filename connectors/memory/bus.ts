/**
 * The bus between memory sinks and memory sources of one engine.
 *
 * Each subscriber has a bounded queue. A writer waits for room in every queue its topic matches, so a slow rule slows
 * the rules that feed it. The one wait that could never end is that of a rule for itself, directly or through other
 * rules: the bus knows who reads and who writes which topic, finds such circles, and refuses the row there.
 * @module
 */
import type { ConnectorContext } from "../../src/connector/context.ts";
import type { ClosableConnection } from "../../src/connector/declare.ts";
import type { Struct } from "../../src/connector/source.ts";
import { topicMatches } from "./topic.ts";

/** A wait longer than this is logged once: rules that stand still should be easy to find. */
const longWaitMs = 10_000;

/** A row on its way, with the topic it was written to. */
export interface BusItem {
  readonly topic: string;
  readonly row: Struct;
}

/** Who writes which topic. */
export interface Publisher {
  readonly topic: string;
  /** The rule it writes for. */
  readonly owner: string;
}

/** One queue of rows. */
export class Subscription {
  readonly filter: string;
  /** The rule, or the shared stream, it reads for. */
  readonly owner: string;
  readonly #capacity: number;
  readonly #items: BusItem[] = [];
  #wakeReader = Promise.withResolvers<void>();
  #wakeWriters = Promise.withResolvers<void>();
  #closed = false;

  constructor(filter: string, owner: string, capacity: number) {
    this.filter = filter;
    this.owner = owner;
    this.#capacity = capacity;
  }

  get isFull(): boolean {
    return !this.#closed && this.#items.length >= this.#capacity;
  }

  /** The caller has checked that there is room. A closed subscription takes nothing. */
  push(item: BusItem): void {
    if (this.#closed) return;
    this.#items.push(item);
    this.#wakeReader.resolve();
  }

  /** Waits until it is worth looking again whether there is room. */
  room(signal: AbortSignal): Promise<void> {
    return abortable(this.#wakeWriters.promise, signal);
  }

  /** Everything that waits, at least one item; rejects with the signal's reason. */
  async take(signal: AbortSignal): Promise<BusItem[]> {
    signal.throwIfAborted();
    while (this.#items.length === 0) {
      this.#wakeReader = Promise.withResolvers();
      await abortable(this.#wakeReader.promise, signal);
    }
    const items = this.#items.splice(0);
    this.#releaseWriters();
    return items;
  }

  /** Writers that wait for it go on without it. */
  close(): void {
    this.#closed = true;
    this.#items.length = 0;
    this.#releaseWriters();
  }

  #releaseWriters(): void {
    this.#wakeWriters.resolve();
    this.#wakeWriters = Promise.withResolvers();
  }
}

/** Settles as `promise`, or rejects with the signal's reason, and leaves no listener behind. */
async function abortable(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener("abort", abort, { once: true });
  try {
    await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

export class MemoryBus implements ClosableConnection {
  readonly #context: ConnectorContext;
  readonly #subscriptions = new Set<Subscription>();
  readonly #publishers = new Set<Publisher>();
  /** Subscriptions by topic; emptied when the subscriptions change. */
  readonly #matches = new Map<string, readonly Subscription[]>();

  constructor(context: ConnectorContext) {
    this.#context = context;
  }

  subscribe(filter: string, owner: string, capacity: number): Subscription {
    const subscription = new Subscription(filter, owner, capacity);
    this.#subscriptions.add(subscription);
    this.#matches.clear();
    return subscription;
  }

  unsubscribe(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    this.#matches.clear();
    subscription.close();
  }

  addPublisher(publisher: Publisher): void {
    this.#publishers.add(publisher);
  }

  removePublisher(publisher: Publisher): void {
    this.#publishers.delete(publisher);
  }

  /**
   * Hands one row to every subscriber of the publisher's topic, waiting for room where need be. Resolves with the reason
   * when a subscriber did not get the row because the wait would have been for the publisher itself. Rejects with the
   * signal's reason.
   */
  async publish(publisher: Publisher, row: Struct, signal: AbortSignal): Promise<string | undefined> {
    signal.throwIfAborted();
    const item = { topic: publisher.topic, row };
    let refused: string | undefined;
    for (const subscription of this.#subscribersOf(publisher.topic)) {
      if (subscription.isFull && this.#feeds(subscription, publisher.owner, new Set())) {
        refused = `Cannot write to memory topic "${publisher.topic}": its reader is full and waits for this very rule`;
        continue;
      }
      if (subscription.isFull) await this.#waitForRoom(subscription, publisher, signal);
      subscription.push(item);
    }
    return refused;
  }

  /** True when all subscribers of `topic` have room, so that a write cannot wait. */
  hasRoom(topic: string): boolean {
    for (const subscription of this.#subscribersOf(topic)) if (subscription.isFull) return false;
    return true;
  }

  /** The synchronous form of `publish` for when `hasRoom`: no promise for the usual case. */
  push(topic: string, row: Struct): void {
    const item = { topic, row };
    for (const subscription of this.#subscribersOf(topic)) subscription.push(item);
  }

  close(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.close();
    this.#subscriptions.clear();
    this.#publishers.clear();
    this.#matches.clear();
    return Promise.resolve();
  }

  #subscribersOf(topic: string): readonly Subscription[] {
    let found = this.#matches.get(topic);
    if (found === undefined) {
      found = [...this.#subscriptions].filter(({ filter }) => topicMatches(filter, topic));
      this.#matches.set(topic, found);
    }
    return found;
  }

  /** True when what `subscription` reads can lead to something that `owner` writes. */
  #feeds(subscription: Subscription, owner: string, seen: Set<Subscription>): boolean {
    if (subscription.owner === owner) return true;
    seen.add(subscription);
    for (const publisher of this.#publishers) {
      if (publisher.owner !== subscription.owner) continue;
      for (const next of this.#subscribersOf(publisher.topic)) {
        if (!seen.has(next) && this.#feeds(next, owner, seen)) return true;
      }
    }
    return false;
  }

  async #waitForRoom(subscription: Subscription, publisher: Publisher, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context;
    const started = clock.now();
    let warned = false;
    while (subscription.isFull) {
      await subscription.room(signal);
      if (!warned && clock.now() - started > longWaitMs) {
        warned = true;
        log.warn("a writer waited long for a full reader", { topic: publisher.topic, reader: subscription.owner });
      }
    }
  }
}
