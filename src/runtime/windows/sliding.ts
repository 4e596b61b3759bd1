/**
 * Sliding windows: a row, or with OVER (WHEN …) a row for which that is true, triggers a window around its own time.
 *
 * Without a delay the window is what lies up to `length` before the row, and the row itself; with one it also waits for
 * what comes within the delay. In event time a window is handed on once the watermark has reached its end, with all rows
 * of one time in it; in processing time at once, with the rows that have arrived.
 *
 * Invariants: every trigger gives one window (two, where both parts are asked for), in order of the triggers; a row is
 * held as long as a window that is waiting, or one triggered later, can need it.
 * @module
 */
import type { TimeUnit } from "../../sql/ast.ts";
import { unitMs } from "../../sql/analyze/windows.ts";
import type { Condition } from "../../sql/compile/evaluator.ts";
import type { Row, WindowSpan } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import type { HitCounter } from "../hit_counter.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";
import { FreshRows } from "./fresh_rows.ts";
import type { PaneContent } from "./pane_content.ts";

/** Length and delay are counted in `unit`. */
export interface SlidingShape {
  readonly length: number;
  readonly delay: number;
  readonly unit: TimeUnit;
  readonly eventTime: boolean;
  /** With a delay: two windows for each trigger, what came up to the row at once, and what came after it later. */
  readonly twice: boolean;
  /** Rows that are exactly `length` older than the trigger are not in its window. */
  readonly openLeft: boolean;
}

/** How the windows of one series lie around the time of their triggers; times are whole milliseconds. */
interface Series {
  /** From the trigger's time to the time at which the window is handed on. */
  readonly wait: number;
  /** True when rows of the very time at which it is handed on belong to it. */
  readonly closed: boolean;
  /** The earliest time that is in the window, from the trigger's time on. */
  readonly from: number;
  span(trigger: number): WindowSpan;
}

function seriesOf({ length, delay, unit, twice, openLeft }: SlidingShape): Series[] {
  const [lengthMs, wait] = [length * unitMs[unit], delay * unitMs[unit]];
  const upToTrigger = (from: number): Series => ({
    wait: 0,
    closed: true,
    from,
    span: (time) => ({ start: time - lengthMs, end: time, trigger: time }),
  });
  if (wait === 0) return [upToTrigger(openLeft ? 1 - lengthMs : -lengthMs)];
  if (!twice) {
    return [{
      wait,
      closed: false,
      from: openLeft ? 1 - lengthMs : -lengthMs,
      span: (time) => ({ start: time - lengthMs, end: time + wait, trigger: time + wait }),
    }];
  }
  return [
    upToTrigger(1 - lengthMs),
    { wait, closed: true, from: 1, span: (time) => ({ start: time, end: time + wait, trigger: time }) },
  ];
}

/** The windows of one series that wait, and the rows they need. */
class WaitingWindows {
  readonly #series: Series;
  readonly #content: PaneContent;
  readonly #output: Output;
  /** The times of the triggers that wait; what stands before `#head` has been handed on. */
  #triggers: number[] = [];
  #head = 0;

  constructor(series: Series, content: PaneContent, output: Output) {
    this.#series = series;
    this.#content = content;
    this.#output = output;
  }

  /** When the next window is due; Infinity when none waits. */
  get due(): number {
    return this.#head < this.#triggers.length ? this.#triggers[this.#head]! + this.#series.wait : Infinity;
  }

  /** True when a row at `at` says that the next window is complete. */
  isCompleteAt(at: number): boolean {
    return this.#series.closed ? this.due < at : this.due <= at;
  }

  /** Where the window starts that waits the longest, or that a row at `at` would trigger. */
  neededFrom(at: number): number {
    return (this.#triggers[this.#head] ?? at) + this.#series.from;
  }

  /** False for a row that stands in no window of this series. */
  add(row: Row, at: number, triggers: boolean): boolean {
    const from = this.neededFrom(at);
    this.#content.evict(from);
    const stands = at >= from && this.#content.add(row, at);
    if (triggers) this.#triggers.push(at);
    return stands;
  }

  /** Hands on the window that is due next. */
  emit(fresh: FreshRows): void {
    const time = this.#triggers[this.#head++]!;
    if (this.#head * 2 > this.#triggers.length) {
      this.#triggers = this.#triggers.slice(this.#head);
      this.#head = 0;
    }
    const from = time + this.#series.from;
    this.#content.evict(from);
    const span = this.#series.span(time);
    const shown = this.#content.size === 0 ? { ...span, empty: true } : span;
    const list = this.#content.list(shown, fresh, from);
    if (list !== undefined) this.#output.push(list);
  }

  shift(delta: number): void {
    this.#content.shift(delta);
    this.#triggers = this.#triggers.slice(this.#head).map((time) => time + delta);
    this.#head = 0;
  }

  stateBytes(): number {
    return this.#content.stateBytes() + 8 * this.#triggers.length;
  }

  snapshot(): Value {
    return [this.#triggers.slice(this.#head), this.#content.snapshot()];
  }

  restore(state: Value): void {
    const [triggers, content] = state as [number[], Value];
    this.#triggers = triggers;
    this.#head = 0;
    this.#content.restore(content);
  }
}

export class SlidingWindow implements Operator {
  readonly #eventTime: boolean;
  readonly #holds: Condition | undefined;
  readonly #hits: HitCounter | undefined;
  readonly #series: readonly WaitingWindows[];
  readonly #context: OperatorContext;
  readonly #output: Output;
  /** The time of the latest row. */
  #latest = -Infinity;
  /** The processing time that was told last. */
  #now = -Infinity;
  readonly #fresh = new FreshRows();

  /**
   * @param when OVER (WHEN …), and what counts the rows for which it held; undefined when every row triggers.
   * @param createContent Makes the content of each of the one or two series of windows.
   */
  constructor(
    shape: SlidingShape,
    when: { readonly holds: Condition; readonly hits: HitCounter | undefined } | undefined,
    createContent: () => PaneContent,
    context: OperatorContext,
    output: Output,
  ) {
    this.#eventTime = shape.eventTime;
    this.#holds = when?.holds;
    this.#hits = when?.hits;
    this.#series = seriesOf(shape).map((series) => new WaitingWindows(series, createContent(), output));
    this.#context = context;
    this.#output = output;
  }

  push(batch: Batch): void {
    for (const row of batch.rows) {
      // A row that was on its way while a later one came counts as one of that time.
      if (row.time > this.#latest) this.#latest = row.time;
      const at = this.#latest;
      const triggers = this.#triggersOn(row);
      this.#emitWhile((series) => series.isCompleteAt(at));
      let stands = false;
      for (const series of this.#series) if (series.add(row, at, triggers)) stands = true;
      if (stands) this.#fresh.add(at);
      else this.#context.metrics.filtered++;
      if (!this.#eventTime && triggers) this.#emitWhile((series) => series.due <= at);
    }
    this.#forget();
  }

  /** Counts the rows that were in no window, and will be in none. */
  #forget(): void {
    if (this.#fresh.size === 0) return;
    let needed = Infinity;
    for (const series of this.#series) needed = Math.min(needed, series.neededFrom(this.#latest));
    const { metrics } = this.#context;
    metrics.filtered += this.#fresh.forget(needed, metrics);
  }

  #triggersOn(row: Row): boolean {
    if (this.#holds === undefined) return true;
    if (!this.#holds(row)) return false;
    this.#hits?.pass(row.time);
    return true;
  }

  /** Hands on windows in the order in which they are due. */
  #emitWhile(isDue: (series: WaitingWindows) => boolean): void {
    for (;;) {
      let next: WaitingWindows | undefined;
      for (const series of this.#series) {
        if (isDue(series) && (next === undefined || series.due < next.due)) next = series;
      }
      if (next === undefined) return;
      next.emit(this.#fresh);
    }
  }

  advance(progress: Progress): void {
    if (this.#eventTime) {
      if (progress.watermark === Infinity) this.end();
      else this.#emitWhile((series) => series.due <= progress.watermark);
    } else {
      const before = this.#now;
      this.#now = progress.processing;
      if (this.#now < before) this.#setBack(this.#now - before);
      this.#emitWhile((series) => series.due <= progress.processing);
    }
    this.#forget();
    this.#output.advance(progress);
  }

  /** The clock was set back. Rows are as old as they were, and windows wait as long: all move with the clock. */
  #setBack(delta: number): void {
    this.#latest += delta;
    this.#fresh.shift(delta);
    for (const series of this.#series) series.shift(delta);
  }

  end(): void {
    this.#emitWhile((series) => series.due < Infinity);
    const { metrics } = this.#context;
    metrics.filtered += this.#fresh.forget(Infinity, metrics);
  }

  deadline(): number {
    if (this.#eventTime) return Infinity;
    let earliest = Infinity;
    for (const { due } of this.#series) earliest = Math.min(earliest, due);
    return earliest;
  }

  held(): number {
    return this.#fresh.size;
  }

  stateBytes(): number {
    return this.#series.reduce((bytes, series) => bytes + series.stateBytes(), this.#fresh.stateBytes());
  }

  snapshot(): Value {
    const series = this.#series.map((each) => each.snapshot());
    return [this.#latest, this.#now, this.#fresh.snapshot(), series, this.#hits?.snapshot() ?? null];
  }

  restore(state: Value): void {
    const [latest, now, fresh, series, hits] = state as [number, number, Value, Value[], Value];
    this.#latest = latest;
    this.#now = now;
    this.#fresh.restore(fresh);
    if (hits !== null) this.#hits?.restore(hits);
    for (const [i, saved] of series.entries()) this.#series[i]!.restore(saved);
  }
}
