/**
 * Down-sampling of a source that pushes: of all that comes in an interval, the latest goes on (`interval`), or the latest
 * of each value of a column, all of them merged into one row (`mergeField`).
 *
 * What is left out is done with at once: a broker that allows few messages under way would send no later ones otherwise.
 * In a rule that keeps what it does, though, the message that waits for the end of the interval stays unacknowledged, so
 * that a kill does not lose it; and a batch with a position is handed on, without its items, for the position to be kept
 * before the source forgets. A merged row stands for many messages, none of which is acknowledged before it is kept.
 *
 * Invariants: batches go on in the order of their positions; each is acknowledged exactly once; while nobody reads, no
 * more than one batch is taken from the source.
 * @module
 */
import type { Clock } from "../../connector/context.ts";
import { keyOf, type LookupKey } from "../../connector/lookup_key.ts";
import type { PayloadSlice, Source, SourceBatch } from "../../connector/source.ts";
import { NodeMetrics } from "../../telemetry/node_metrics.ts";
import { getOwn, setOwn, type Struct } from "../../value/value.ts";
import type { TakenRows } from "./intake.ts";

/** What is left out is counted under these reasons: a later one came; it went into a row with others; too many keys. */
type Reason = "downsampled" | "merged" | "merge_full";

/** Rows that wait to be merged. Beyond it, the one that has waited longest goes. */
const mergedMax = 10_000;

/** Batches that wait to be acknowledged with a merged row. Beyond it, the source waits for the interval to end. */
const batchesMax = 4096;

export interface DownSamplerOptions {
  readonly intervalMs: number;
  readonly clock: Clock;
  /** Absent: the latest message goes on as it is. */
  readonly merge?: {
    readonly field: string;
    decode(batch: SourceBatch): TakenRows;
  };
  /** Whether a rule keeps what it does with the rows. */
  keeps(): boolean;
  wantsMeta(): boolean;
  /** Told of each batch of the source. */
  onBatch(batch: SourceBatch): void;
}

/** What waits for the end of the interval. */
interface Held {
  /** The latest message; undefined when rows are merged. */
  readonly item: Uint8Array | PayloadSlice | Struct | undefined;
  readonly kind: SourceBatch["kind"];
  meta: () => Struct | undefined;
  position: string | undefined;
  /** Of the batches that are acknowledged when it is kept. */
  readonly acks: (() => void)[];
}

export class DownSampler {
  readonly metrics = new NodeMetrics();
  readonly #options: DownSamplerOptions;
  /** Intervals are counted from here. */
  readonly #anchor: number;
  #held: Held | undefined;
  /** With `merge`: the latest rows, in the order in which they came. */
  readonly #rows = new Map<LookupKey | undefined, Struct>();
  /** Batches whose items are left out, on the way for their positions. */
  readonly #emptied: SourceBatch[] = [];
  /** Whether an item was handed out that has not arrived yet: others may be about to join, or the last one has left. */
  #isOnItsWay = false;
  #isDue = false;
  #cancelTimer: (() => void) | undefined;
  #wake: () => void = () => {};

  constructor(options: DownSamplerOptions) {
    this.#options = options;
    this.#anchor = options.clock.now();
  }

  /** Items that wait for the end of their interval, or to be taken. */
  get held(): number {
    const waiting = this.#options.merge !== undefined ? this.#rows.size : this.#held === undefined ? 0 : 1;
    return waiting + (this.#isOnItsWay ? 1 : 0);
  }

  /** What was handed out last has been taken. */
  delivered(): void {
    this.#isOnItsWay = false;
  }

  /** True when nothing more should be taken before the end of the interval. */
  get #isFull(): boolean {
    return (this.#held?.acks.length ?? 0) >= batchesMax;
  }

  /** A source that gives what is left of what `source` gives. One at a time. */
  sample(source: Source): Source {
    let reading = false;
    let watched: AbortSignal | undefined;
    let failure: { readonly error: unknown } | undefined;
    const readOne = (signal: AbortSignal) => {
      reading = true;
      source.read(signal).then((batch) => this.#take(batch)).catch((error) => (failure = { error })).finally(() => {
        reading = false;
        this.#wake();
      });
    };
    const next = async (signal: AbortSignal): Promise<SourceBatch> => {
      while (true) {
        signal.throwIfAborted();
        const emptied = this.#emptied.shift();
        if (emptied !== undefined) return emptied;
        // What the source gave before it failed does not wait for it to come back.
        if (this.#held !== undefined && (this.#isDue || failure !== undefined)) return this.#emit(this.#held);
        if (failure !== undefined) {
          const { error } = failure;
          failure = undefined;
          throw error;
        }
        const change = new Promise<void>((resolve) => (this.#wake = resolve));
        if (!reading && !this.#isFull) readOne(signal);
        await change;
      }
    };
    return {
      read: (signal) => {
        // One listener for all reads with a signal.
        if (signal !== watched) signal.addEventListener("abort", () => this.#wake(), { once: true });
        watched = signal;
        return next(signal);
      },
      close: () => {
        this.#disarm();
        return source.close();
      },
    };
  }

  // ---------------------------------------------------------------- items come in

  #take(batch: SourceBatch): void {
    const { merge, clock, onBatch } = this.#options;
    onBatch(batch);
    if (merge === undefined) this.#takeLatest(batch);
    else this.#takeRows(batch, merge.decode(batch), merge.field);
    this.metrics.lastInvocation = clock.now();
    if (this.#held !== undefined) this.#arm();
  }

  #takeLatest(batch: SourceBatch): void {
    const items = batch.kind === "payloads" ? batch.payloads : batch.rows;
    this.#count(items.length);
    if (items.length === 0) return this.#passBehind(batch);
    this.#drop("downsampled", items.length - 1);
    if (this.#held !== undefined) this.#supersede(this.#held);
    const last = items.length - 1;
    const item = items[last]!;
    if (this.#options.keeps()) {
      this.#held = {
        item,
        kind: batch.kind,
        meta: () => batch.meta?.(last),
        position: batch.position,
        acks: batch.ack === undefined ? [] : [() => batch.ack!()],
      };
      return;
    }
    const meta = this.#options.wantsMeta() ? batch.meta?.(last) : undefined;
    this.#held = { item: copyOf(item, batch.kind), kind: batch.kind, meta: () => meta, position: undefined, acks: [] };
    batch.ack?.();
  }

  #supersede({ acks, position, kind }: Held): void {
    this.#drop("downsampled", 1);
    this.#held = undefined;
    const ack = () => acks.forEach((each) => each());
    if (position === undefined) ack();
    else this.#emptied.push({ ...(kind === "payloads" ? { kind, payloads: [] } : { kind, rows: [] }), position, ack });
  }

  /** A batch without items must not overtake what waits: its position is behind that. */
  #passBehind(batch: SourceBatch): void {
    const held = this.#held;
    if (held === undefined || !this.#options.keeps()) {
      if (batch.position === undefined) batch.ack?.();
      else this.#emptied.push(batch);
      return;
    }
    held.position = batch.position ?? held.position;
    if (batch.ack !== undefined) held.acks.push(() => batch.ack!());
  }

  #takeRows(batch: SourceBatch, { rows, meta }: TakenRows, field: string): void {
    this.#count(rows.length);
    if (rows.length === 0) return this.#passBehind(batch);
    for (const row of rows) {
      const key = keyOf(getOwn(row, field));
      // The order of the map is that of the latest rows: later ones win when they are merged.
      if (this.#rows.delete(key)) this.#drop("downsampled", 1);
      this.#rows.set(key, row);
      if (this.#rows.size > mergedMax) {
        this.#rows.delete(this.#rows.keys().next().value);
        this.#drop("merge_full", 1);
      }
    }
    const latest = meta?.at(-1);
    this.#held ??= { item: undefined, kind: "rows", meta: () => undefined, position: undefined, acks: [] };
    this.#held.meta = () => latest;
    if (!this.#options.keeps()) return batch.ack?.();
    this.#held.position = batch.position ?? this.#held.position;
    if (batch.ack !== undefined) this.#held.acks.push(() => batch.ack!());
  }

  #count(items: number): void {
    this.metrics.recordsIn += items;
    this.metrics.processed += items;
  }

  #drop(reason: Reason, count: number): void {
    if (count > 0) this.metrics.drop(reason, count);
  }

  // ---------------------------------------------------------------- items go on

  #emit({ item, kind, meta, position, acks }: Held): SourceBatch {
    this.#held = undefined;
    this.#isOnItsWay = true;
    this.#isDue = false;
    this.#disarm();
    this.metrics.recordsOut++;
    const rest = {
      meta,
      ack: () => acks.forEach((each) => each()),
      ...(position === undefined ? {} : { position }),
    };
    if (kind === "payloads") return { kind, payloads: [item as Uint8Array | PayloadSlice], ...rest };
    return { kind, rows: [item === undefined ? this.#merged() : item as Struct], ...rest };
  }

  #merged(): Struct {
    const all: Struct = {};
    for (const row of this.#rows.values()) for (const key of Object.keys(row)) setOwn(all, key, row[key]);
    this.#drop("merged", this.#rows.size - 1);
    this.#rows.clear();
    return all;
  }

  #arm(): void {
    if (this.#isDue || this.#cancelTimer !== undefined) return;
    const { intervalMs, clock } = this.#options;
    const passed = (clock.now() - this.#anchor) % intervalMs;
    // A clock that was set back behind the anchor gives a negative rest.
    this.#cancelTimer = clock.after(intervalMs - (passed < 0 ? passed + intervalMs : passed), () => {
      this.#cancelTimer = undefined;
      this.#isDue = true;
      this.#wake();
    });
  }

  #disarm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}

/** What may be kept when the source has been told that it may forget the batch. */
function copyOf(item: Uint8Array | PayloadSlice | Struct, kind: SourceBatch["kind"]): Uint8Array | Struct {
  if (kind === "rows") return item as Struct;
  const payload = item as Uint8Array | PayloadSlice;
  return payload instanceof Uint8Array ? payload.slice() : payload.bytes.slice(payload.start, payload.end);
}
