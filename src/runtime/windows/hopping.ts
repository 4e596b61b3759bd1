/**
 * Hopping windows: of one length, one ending at every hop of the clock, so that they overlap when the length is greater.
 *
 * Invariants: a row is in every window with `end - length <= time < end`; windows are handed on in order of their ends;
 * what is held is what the open window, or a later one, still needs. With a hop greater than the length, rows in the
 * gaps are in no window: they are dropped and counted.
 * @module
 */
import type { TimeUnit } from "../../sql/ast.ts";
import { unitMs } from "../../sql/analyze/windows.ts";
import type { Value } from "../../value/value.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";
import { align } from "./align.ts";
import { FreshRows } from "./fresh_rows.ts";
import type { PaneContent } from "./pane_content.ts";
import { emptyWindowsMax } from "./tumbling.ts";
import type { RowZone } from "./row_zone.ts";

/** Length and hop are counted in `unit`. */
export interface HoppingShape {
  readonly length: number;
  readonly hop: number;
  readonly unit: TimeUnit;
  readonly eventTime: boolean;
  /** In event time, the zone in which the first row is aligned; that of the agent when absent. */
  readonly zoneOf?: RowZone;
}

export class HoppingWindow implements Operator {
  readonly #shape: HoppingShape;
  readonly #lengthMs: number;
  readonly #hopMs: number;
  readonly #content: PaneContent;
  readonly #context: OperatorContext;
  readonly #output: Output;
  /** The end of the open window, the earliest that was not handed on; undefined until there is one. */
  #end: number | undefined;
  /**
   * Rows between two starts of windows are in the same windows, so they stand at one position: the first of the two.
   * `#paneEnd` is the second one.
   */
  #pane = -Infinity;
  #paneEnd = -Infinity;
  /** The processing time that was told last. */
  #now: number;
  readonly #fresh = new FreshRows();

  constructor(shape: HoppingShape, content: PaneContent, context: OperatorContext, output: Output) {
    this.#shape = shape;
    this.#lengthMs = shape.length * unitMs[shape.unit];
    this.#hopMs = shape.hop * unitMs[shape.unit];
    this.#content = content;
    this.#context = context;
    this.#output = output;
    this.#now = context.rule.ruleStart;
    if (!shape.eventTime) this.#end = this.#align(context.rule.ruleStart);
  }

  #align(time: number, zone = this.#context.rule.timezone): number {
    return align(time, this.#shape.hop, this.#shape.unit, zone);
  }

  push(batch: Batch): void {
    let lost = 0;
    let filtered = 0;
    for (const row of batch.rows) {
      this.#end ??= this.#align(row.time, this.#shape.zoneOf?.(row));
      // Rows come in order of time, so this row says that the windows before it are complete.
      if (row.time >= this.#end) this.#closeUpTo(row.time);
      // A row that was on its way when the clock passed an end counts from there.
      const time = Math.max(row.time, this.#end - this.#hopMs);
      if (time >= this.#paneEnd) this.#enterPane(time);
      if (this.#pane < this.#end - this.#lengthMs) {
        lost++;
        continue;
      }
      if (this.#content.add(row, this.#pane)) this.#fresh.add(this.#pane);
      else filtered++;
    }
    this.#context.metrics.filtered += filtered;
    if (lost > 0) this.#context.drop("gap", lost);
  }

  #enterPane(time: number): void {
    const start = this.#end! - this.#lengthMs;
    this.#pane = Math.max(start + Math.floor((time - start) / this.#hopMs) * this.#hopMs, this.#pane);
    this.#paneEnd = this.#pane + this.#hopMs;
  }

  /** Closes every window that ends at or before `time`. */
  #closeUpTo(time: number): void {
    let empty = 0;
    while (this.#end! <= time) {
      this.#evict();
      if (this.#content.size > 0) empty = 0;
      else if (!this.#content.emitsEmpty || ++empty > emptyWindowsMax) {
        this.#end! += (Math.floor((time - this.#end!) / this.#hopMs) + 1) * this.#hopMs;
        return;
      }
      this.#close();
    }
  }

  /** Forgets what the open window, and those behind it, do not hold. */
  #evict(): void {
    const start = this.#end! - this.#lengthMs;
    this.#content.evict(start);
    const lost = this.#fresh.forget(start, this.#context.metrics);
    if (lost > 0) this.#context.drop("clock set back", lost);
  }

  /** Hands on the open window, of which nothing before its start is held any more. */
  #close(): void {
    const end = this.#end!;
    const span = { start: end - this.#lengthMs, end, trigger: end, empty: this.#content.size === 0 };
    const list = this.#content.list(span, this.#fresh, end - this.#lengthMs);
    this.#end = end + this.#hopMs;
    if (list !== undefined) this.#output.push(list);
  }

  advance(progress: Progress): void {
    if (this.#shape.eventTime) {
      if (progress.watermark === Infinity) this.end();
      else if (this.#end !== undefined) this.#closeUpTo(progress.watermark);
    } else {
      const before = this.#now;
      this.#now = progress.processing;
      if (this.#now < before && this.#now < this.#end! - this.#hopMs) this.#setBack(this.#now - before);
      else this.#closeUpTo(this.#now);
    }
    this.#output.advance(progress);
  }

  /**
   * The clock was set back, and the open window would wait for hours: it ends at the next boundary of the new time. Rows
   * are as old as they were, so they move with the clock.
   */
  #setBack(delta: number): void {
    this.#content.shift(delta);
    this.#fresh.shift(delta);
    this.#pane += delta;
    this.#paneEnd = -Infinity;
    this.#end = this.#align(this.#now);
  }

  end(): void {
    if (this.#end === undefined) return;
    this.#evict();
    while (this.#content.size > 0) {
      this.#close();
      this.#evict();
    }
  }

  deadline(): number {
    if (this.#shape.eventTime) return Infinity;
    // Empty windows that nobody hears of need no waking up: the next row finds its window.
    return this.#content.size === 0 && !this.#content.emitsEmpty ? Infinity : this.#end!;
  }

  held(): number {
    return this.#fresh.size;
  }

  stateBytes(): number {
    return this.#content.stateBytes() + this.#fresh.stateBytes();
  }

  snapshot(): Value {
    return [this.#end ?? null, this.#pane, this.#paneEnd, this.#now, this.#fresh.snapshot(), this.#content.snapshot()];
  }

  restore(state: Value): void {
    const [end, pane, paneEnd, now, fresh, content] = state as [number | null, number, number, number, Value, Value];
    this.#end = end ?? undefined;
    this.#pane = pane;
    this.#paneEnd = paneEnd;
    this.#now = now;
    this.#fresh.restore(fresh);
    this.#content.restore(content);
  }
}
