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
import type { RowChange } from "./change.ts";
import { topicMatches } from "./topic.ts";

/** A wait longer than this is logged once: rules that stand still should be easy to find. */
const longWaitMs = 10_000;

/** Topics whose readers are known; with templates there may be as many topics as there are rows. */
const matchesMax = 10_000;

/** A row on its way, with the topic it was written to. */
export interface BusItem {
  readonly topic: string;
  readonly row: Struct;
  /** What it does to lookup tables, when its sink says so; else it is the newest row of its key. */
  readonly change?: RowChange;
}

/** Who takes rows. */
export interface BusReader {
  readonly filter: string;
  /** The rule, the shared stream, or the table, it reads for. */
  readonly owner: string;
  readonly isFull: boolean;
  /** The caller has checked that there is room. A closed reader takes nothing. */
  push(item: BusItem): void;
  /** Waits until it is worth looking again whether there is room. */
  room(signal: AbortSignal): Promise<void>;
}

/** Who writes which topic. */
export interface Publisher {
  readonly topic: string;
  /** The rule it writes for. */
  readonly owner: string;
}

/** One queue of rows. */
export class Subscription implements BusReader {
  readonly filter: string;
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

  push(item: BusItem): void {
    if (this.#closed) return;
    this.#items.push(item);
    this.#wakeReader.resolve();
  }

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
  readonly #readers = new Set<BusReader>();
  readonly #publishers = new Set<Publisher>();
  /** Readers by topic; emptied when the readers change. */
  readonly #matches = new Map<string, readonly BusReader[]>();

  constructor(context: ConnectorContext) {
    this.#context = context;
  }

  subscribe(filter: string, owner: string, capacity: number): Subscription {
    const subscription = new Subscription(filter, owner, capacity);
    this.addReader(subscription);
    return subscription;
  }

  unsubscribe(subscription: Subscription): void {
    this.removeReader(subscription);
    subscription.close();
  }

  addReader(reader: BusReader): void {
    this.#readers.add(reader);
    this.#matches.clear();
  }

  removeReader(reader: BusReader): void {
    this.#readers.delete(reader);
    this.#matches.clear();
  }

  addPublisher(publisher: Publisher): void {
    this.#publishers.add(publisher);
  }

  removePublisher(publisher: Publisher): void {
    this.#publishers.delete(publisher);
  }

  /**
   * Hands one row to every reader of the publisher's topic, waiting for room where need be. Resolves with the reason
   * when a reader did not get the row because the wait would have been for the publisher itself. Rejects with the
   * signal's reason.
   */
  async publish(publisher: Publisher, item: BusItem, signal: AbortSignal): Promise<string | undefined> {
    signal.throwIfAborted();
    let refused: string | undefined;
    for (const reader of this.#readersOf(publisher.topic)) {
      if (reader.isFull && this.#feeds(reader, publisher.owner, new Set())) {
        refused = `Cannot write to memory topic "${publisher.topic}": its reader is full and waits for this very rule`;
        continue;
      }
      if (reader.isFull) await this.#waitForRoom(reader, publisher, signal);
      reader.push(item);
    }
    return refused;
  }

  /** True when all readers of `topic` have room, so that a write cannot wait. */
  hasRoom(topic: string): boolean {
    for (const reader of this.#readersOf(topic)) if (reader.isFull) return false;
    return true;
  }

  /** The synchronous form of `publish` for when `hasRoom`: no promise for the usual case. */
  push(item: BusItem): void {
    for (const reader of this.#readersOf(item.topic)) reader.push(item);
  }

  close(): Promise<void> {
    for (const reader of this.#readers) if (reader instanceof Subscription) reader.close();
    this.#readers.clear();
    this.#publishers.clear();
    this.#matches.clear();
    return Promise.resolve();
  }

  #readersOf(topic: string): readonly BusReader[] {
    let found = this.#matches.get(topic);
    if (found === undefined) {
      found = [...this.#readers].filter(({ filter }) => topicMatches(filter, topic));
      if (this.#matches.size >= matchesMax) this.#matches.clear();
      this.#matches.set(topic, found);
    }
    return found;
  }

  /** True when what `reader` reads can lead to something that `owner` writes. */
  #feeds(reader: BusReader, owner: string, seen: Set<BusReader>): boolean {
    if (reader.owner === owner) return true;
    seen.add(reader);
    for (const publisher of this.#publishers) {
      if (publisher.owner !== reader.owner) continue;
      for (const next of this.#readersOf(publisher.topic)) {
        if (!seen.has(next) && this.#feeds(next, owner, seen)) return true;
      }
    }
    return false;
  }

  async #waitForRoom(reader: BusReader, publisher: Publisher, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context;
    const started = clock.now();
    let warned = false;
    while (reader.isFull) {
      await reader.room(signal);
      if (!warned && clock.now() - started > longWaitMs) {
        warned = true;
        log.warn("a writer waited long for a full reader", { topic: publisher.topic, reader: reader.owner });
      }
    }
  }
}
