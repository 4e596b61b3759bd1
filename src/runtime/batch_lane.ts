/**
 * A lane that hands on messages only when enough of them are there, or have waited long enough: `batchSize` and
 * `lingerInterval`. Messages stay in their queue meanwhile, so that a batch is lost no more than a message.
 *
 * Invariants: order is kept; a batch has at most `size` messages; what the sink is done with, or refuses, as a batch, is that
 * for each of its messages; nothing waits for what cannot come, because the queue is full or the rule ends.
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../connector/context.ts";
import type { Payload } from "../connector/sink.ts";
import type { NodeMetrics } from "../telemetry/node_metrics.ts";
import { bodyOf, mergedItem, settingsOf } from "./addressed_item.ts";
import { LaneOver } from "./lane_over.ts";
import type { Item, Sending, SendLane } from "./send_queue.ts";
import { Waiters } from "./waiters.ts";

export interface BatchLaneOptions {
  /** Messages in a batch; 0: only time ends one. */
  readonly size: number;
  /** Milliseconds that the first message of a batch waits at most; 0: without end. */
  readonly lingerMs: number;
  /** Makes one payload of several; absent where the sink gets the messages of a batch one by one, in one write. */
  readonly merge: ((payloads: readonly Payload[]) => Payload) | undefined;
  readonly metrics: NodeMetrics;
  readonly clock: Clock;
}

interface BatchSending extends Sending {
  readonly inner: Sending;
}

/** Messages that a sink gets in one write, where the batches are smaller: several of them then. */
const writeItemsMax = 1024;
/** The largest batch of which only the time is given. */
const timedItemsMax = 65_536;

export class BatchLane extends LaneOver {
  readonly #options: BatchLaneOptions;
  /** Since when a message waits, on the clock. */
  #since: number | undefined;
  #cancelTimer: (() => void) | undefined;
  #isHurrying = false;
  readonly #due = new Waiters();

  constructor(lane: SendLane, options: BatchLaneOptions) {
    super(lane);
    this.#options = options;
  }

  /** @param max batches */
  take(max = writeItemsMax): Sending | undefined {
    const { available } = this.lane;
    if (available <= 0) return undefined;
    if (!this.#isRipe(available)) {
      this.#wait();
      return undefined;
    }
    this.#endWait();
    const inner = this.lane.take(this.#countOf(available, max));
    if (inner === undefined) return undefined;
    return this.#batches(inner);
  }

  #isRipe(available: number): boolean {
    const { size, lingerMs, clock } = this.#options;
    if (this.#isHurrying || this.lane.crowded) return true;
    if (available >= (size === 0 ? timedItemsMax : size)) return true;
    if (lingerMs === 0) return false;
    this.#since ??= clock.now();
    return clock.now() - this.#since >= lingerMs;
  }

  /** Whole batches, as many as a sink is given at once; or what there is. */
  #countOf(available: number, max: number): number {
    const { size } = this.#options;
    if (size === 0) return timedItemsMax;
    if (available < size) return size;
    return Math.max(1, Math.min(max, Math.floor(Math.min(available, writeItemsMax) / size))) * size;
  }

  #wait(): void {
    const { lingerMs, clock } = this.#options;
    if (lingerMs === 0 || this.#cancelTimer !== undefined) return;
    const since = this.#since ?? clock.now();
    this.#cancelTimer = clock.after(Math.max(1, since + lingerMs - clock.now()), () => {
      this.#cancelTimer = undefined;
      this.#due.wake();
    });
  }

  #endWait(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#since = undefined;
  }

  #batches(inner: Sending): BatchSending {
    const { merge, metrics, clock } = this.#options;
    metrics.recordsIn += inner.items.length;
    metrics.processed += inner.items.length;
    metrics.lastInvocation = clock.now();
    const batches = [...this.#cut(inner.items)];
    metrics.recordsOut += batches.length;
    if (merge === undefined) return { ...inner, inner };
    return {
      inner,
      items: batches.map((items) => mergedItem(items, merge(items.map(bodyOf) as Payload[]))),
      counts: batches.map(({ length }) => length),
      // A batch is called by its first message: it is another one when it was put together otherwise.
      ...(inner.ids === undefined ? {} : { ids: this.#idsOf(batches, inner.ids) }),
    };
  }

  /** At `size` messages, and where messages have other settings than the one before. */
  *#cut(items: readonly Item[]): Generator<readonly Item[]> {
    const { size } = this.#options;
    let start = 0;
    for (let end = 1; end <= items.length; end++) {
      if (end < items.length && end - start !== size && haveSameSettings(items[start]!, items[end]!)) continue;
      yield items.slice(start, end);
      start = end;
    }
  }

  #idsOf(batches: readonly (readonly Item[])[], ids: readonly string[]): string[] {
    let start = 0;
    return batches.map(({ length }) => {
      const first = ids[start]!;
      start += length;
      return length === 1 ? first : `${first}+${length - 1}`;
    });
  }

  /** What is there already is no arrival: it was not enough. */
  override async arrival(): Promise<void> {
    await Promise.race([this.lane.arrival(this.lane.available), this.#due.wait()]);
    // Those that the other event has left behind.
    this.#due.wake();
  }

  sent(sending: Sending, refused?: ReadonlyMap<number, string>): void {
    const { inner, counts } = sending as BatchSending;
    if (refused === undefined || counts === undefined) return this.lane.sent(inner, refused);
    const all = new Map<number, string>();
    let start = 0;
    for (const [batch, count] of counts.entries()) {
      const reason = refused.get(batch);
      if (reason !== undefined) { for (let i = start; i < start + count; i++) all.set(i, reason); }
      start += count;
    }
    this.lane.sent(inner, all);
  }

  gaveBack(sending: Sending): boolean {
    return this.lane.gaveBack((sending as BatchSending).inner);
  }

  override hurry(): void {
    this.#isHurrying = true;
    this.#endWait();
    super.hurry();
    this.#due.wake();
  }
}

function haveSameSettings(a: Item, b: Item): boolean {
  const [first, second] = [settingsOf(a), settingsOf(b)];
  return first === second || isDeepStrictEqual(first, second);
}
