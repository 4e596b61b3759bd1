/**
 * Event time: takes the time of each row from a column, holds rows back until the watermark has passed them, and lets
 * them go in order of time.
 *
 * Invariants: the watermark is the largest time seen minus the tolerance and never falls; every row handed on has a
 * time at or below the watermark and no smaller than any row handed on before; ties keep their order of arrival; a row
 * below the watermark at its arrival is late and dropped.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import type { WatermarkPlan } from "../../sql/plan.ts";
import { DateTime } from "../../value/datetime.ts";
import { compilePattern, parseDateTime } from "../../value/datetime_text.ts";
import type { Row } from "../../value/row.ts";
import { getOwn, type Value } from "../../value/value.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";
import { rowFromValue, rowToValue } from "../row_state.ts";

export class WatermarkOperator implements Operator {
  readonly #plan: WatermarkPlan;
  readonly #context: OperatorContext;
  readonly #output: Output;
  readonly #parseText: (text: string) => DateTime | undefined;
  /** Rows that wait, sorted by time; `#head` is the first that has not left. */
  #waiting: Row[] = [];
  #head = 0;
  #watermark = -Infinity;
  #processing = -Infinity;

  constructor(plan: WatermarkPlan, context: OperatorContext, output: Output) {
    this.#plan = plan;
    this.#context = context;
    this.#output = output;
    const { timezone } = context.rule;
    const builtIn = (text: string) => parseDateTime(text, timezone, context.rule.now);
    if (plan.timestampFormat === undefined) {
      this.#parseText = builtIn;
    } else {
      const pattern = compilePattern(plan.timestampFormat);
      this.#parseText = (text) => pattern.read(text, timezone, context.rule.now) ?? builtIn(text);
    }
  }

  push(batch: Batch): void {
    let late = 0;
    for (const row of batch.rows) {
      let time: number;
      try {
        time = this.#timeOf(row);
      } catch (error) {
        this.#context.fail(error);
        continue;
      }
      if (time < this.#watermark) {
        late++;
        continue;
      }
      row.time = time;
      this.#insert(row);
      this.#watermark = Math.max(this.#watermark, time - this.#plan.lateTolerance);
    }
    if (late > 0) this.#context.drop("late", late);
    this.#release();
  }

  #timeOf(row: Row): number {
    const { timestamp } = this.#plan;
    const value: Value = getOwn(row.values, timestamp);
    switch (typeof value) {
      case "number":
        if (Number.isFinite(value)) return Math.trunc(value);
        break;
      case "bigint":
        return Number(value);
      case "string": {
        const time = this.#parseText(value);
        if (time !== undefined) return time.ms;
        break;
      }
      case "object":
        if (value instanceof DateTime) return value.ms;
        break;
    }
    const found = value === undefined ? "no such column" : value === null ? "null" : JSON.stringify(String(value));
    throw new RowError(
      "E507",
      `Timestamp column "${timestamp}": expected Unix milliseconds or a datetime, found ${found}`,
    );
  }

  /** Most rows come in order, so the search starts at the end. */
  #insert(row: Row): void {
    const waiting = this.#waiting;
    if (waiting.length === this.#head || waiting[waiting.length - 1]!.time <= row.time) {
      waiting.push(row);
      return;
    }
    let low = this.#head;
    let high = waiting.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (waiting[middle]!.time <= row.time) low = middle + 1;
      else high = middle;
    }
    waiting.splice(low, 0, row);
  }

  #release(): void {
    let end = this.#head;
    while (end < this.#waiting.length && this.#waiting[end]!.time <= this.#watermark) end++;
    if (end > this.#head) {
      const rows = this.#waiting.slice(this.#head, end);
      this.#head = end;
      // The released part is cut off only once it is the larger half, so that releasing stays linear.
      if (this.#head * 2 > this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#head);
        this.#head = 0;
      }
      this.#output.push({ rows, window: undefined });
    }
    this.#output.advance({ processing: this.#processing, watermark: this.#watermark });
  }

  /** A watermark from outside (the end of a file) counts as well as the operator's own. */
  advance(progress: Progress): void {
    this.#processing = progress.processing;
    this.#watermark = Math.max(this.#watermark, progress.watermark);
    this.#release();
  }

  end(): void {
    const rows = this.#waiting.slice(this.#head);
    this.#waiting = [];
    this.#head = 0;
    if (rows.length > 0) this.#output.push({ rows, window: undefined });
  }

  held(): number {
    return this.#waiting.length - this.#head;
  }

  snapshot(): Value {
    return [this.#watermark, this.#waiting.slice(this.#head).map(rowToValue)];
  }

  restore(state: Value): void {
    const [watermark, waiting] = state as [number, Value[]];
    this.#watermark = watermark;
    this.#waiting = waiting.map(rowFromValue);
    this.#head = 0;
  }
}
