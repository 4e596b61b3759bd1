/**
 * Tumbling windows: back to back, of one length, aligned to the clock.
 *
 * Invariants: each row is in exactly one window, the one with `start <= time < end` (the first window also takes what
 * came before its start); windows are handed on in order; the next window starts where the last one ended.
 * @module
 */
import type { TimeUnit } from "../../sql/ast.ts";
import { unitMs } from "../../sql/analyze/windows.ts";
import type { Value } from "../../value/value.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";
import { align } from "./align.ts";
import type { WindowContent } from "./content.ts";
import type { RowZone } from "./row_zone.ts";

/**
 * When the clock or the event time leaps ahead by more windows than this, the empty ones in between are not handed on:
 * one wrong timestamp must not cost millions of empty results.
 */
export const emptyWindowsMax = 1000;

export interface TumblingShape {
  readonly length: number;
  readonly unit: TimeUnit;
  readonly eventTime: boolean;
  /** In event time, the zone in which the first row is aligned; that of the agent when absent. */
  readonly zoneOf?: RowZone;
}

export class TumblingWindow implements Operator {
  readonly #shape: TumblingShape;
  readonly #lengthMs: number;
  readonly #content: WindowContent;
  readonly #context: OperatorContext;
  readonly #output: Output;
  /** Undefined until the first window is open. */
  #start: number | undefined;
  #end = Infinity;

  constructor(shape: TumblingShape, content: WindowContent, context: OperatorContext, output: Output) {
    this.#shape = shape;
    this.#lengthMs = shape.length * unitMs[shape.unit];
    this.#content = content;
    this.#context = context;
    this.#output = output;
    if (!shape.eventTime) this.#open(context.rule.ruleStart);
  }

  #open(time: number, zone = this.#context.rule.timezone): void {
    this.#start = time;
    this.#end = align(time, this.#shape.length, this.#shape.unit, zone);
  }

  push(batch: Batch): void {
    for (const row of batch.rows) {
      if (this.#start === undefined) this.#open(row.time, this.#shape.zoneOf?.(row));
      // Rows come in order of time, so this row says that the windows before it are complete.
      if (row.time >= this.#end) this.#closeUpTo(row.time);
      this.#content.add(row);
    }
  }

  /** Closes every window that ends at or before `time`. */
  #closeUpTo(time: number): void {
    let empty = 0;
    while (this.#end <= time) {
      if (this.#content.size === 0) {
        if (!this.#content.emitsEmpty || ++empty > emptyWindowsMax) {
          this.#skipTo(time);
          return;
        }
      } else {
        empty = 0;
      }
      const window = { start: this.#start, end: this.#end, trigger: this.#end, empty: this.#content.size === 0 };
      const list = this.#content.close(window);
      this.#start = this.#end;
      this.#end += this.#lengthMs;
      if (list !== undefined) this.#output.push(list);
    }
  }

  /** Moves over empty windows; the open one becomes the one that holds `time`. */
  #skipTo(time: number): void {
    const windows = Math.floor((time - this.#end) / this.#lengthMs) + 1;
    this.#start = this.#end + (windows - 1) * this.#lengthMs;
    this.#end += windows * this.#lengthMs;
  }

  advance(progress: Progress): void {
    if (this.#shape.eventTime) {
      if (progress.watermark === Infinity) this.end();
      else if (this.#start !== undefined) this.#closeUpTo(progress.watermark);
    } else if (this.#start !== undefined && progress.processing < this.#start) {
      // The clock was set back: the open window would wait for hours. It ends at the next boundary of the new time.
      this.#end = align(progress.processing, this.#shape.length, this.#shape.unit, this.#context.rule.timezone);
      this.#start = progress.processing;
    } else {
      this.#closeUpTo(progress.processing);
    }
    this.#output.advance(progress);
  }

  end(): void {
    if (this.#content.size === 0) return;
    const list = this.#content.close({ start: this.#start, end: this.#end, trigger: this.#end });
    this.#start = this.#end;
    this.#end += this.#lengthMs;
    if (list !== undefined) this.#output.push(list);
  }

  deadline(): number {
    if (this.#shape.eventTime) return Infinity;
    // An empty window that nobody hears of needs no waking up: the next row finds its window.
    return this.#content.size === 0 && !this.#content.emitsEmpty ? Infinity : this.#end;
  }

  held(): number {
    return this.#content.held;
  }

  stateBytes(): number {
    return this.#content.stateBytes();
  }

  snapshot(): Value {
    return [this.#start ?? null, this.#end, this.#content.snapshot()];
  }

  restore(state: Value): void {
    const [start, end, content] = state as [number | null, number, Value];
    this.#start = start ?? undefined;
    this.#end = end;
    this.#content.restore(content);
  }
}
