/**
 * Event time: takes the time of each row from a column, holds rows back until the watermark has passed them, and lets
 * them go in order of time.
 *
 * Invariants: the watermark is the largest time that every stream has seen, minus the tolerance, and never falls; every row handed on has a
 * time at or below the watermark and no smaller than any row handed on before; ties keep their order of arrival; a row
 * below the watermark at its arrival is late and dropped. Results do not depend on how rows come together in batches:
 * what a batch releases goes on in one piece only where nobody can tell.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import type { RuleContext } from "../../sql/functions/declare.ts";
import type { TimestampColumn, WatermarkPlan } from "../../sql/plan.ts";
import { DateTime, isTimestamp } from "../../value/datetime.ts";
import { compilePattern, parseDateTime } from "../../value/datetime_text.ts";
import type { Row } from "../../value/row.ts";
import { getOwn, type Value } from "../../value/value.ts";
import { sizeOfRows } from "../limits/state_size.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";
import { rowFromValue, rowToValue } from "../row_state.ts";

/**
 * Rows that may wait. One stream that is silent holds up the rows of all others, and would fill the memory of the agent;
 * what comes when so many wait is dropped.
 */
export const waitingRowsMax = 1_000_000;

/** Event time of one stream. */
class StreamTime {
  readonly source: number;
  readonly column: string;
  readonly #parseText: (text: string) => DateTime | undefined;
  /** The largest time seen. */
  newest = -Infinity;

  constructor(timestamp: TimestampColumn, rule: RuleContext) {
    this.source = timestamp.source;
    this.column = timestamp.column;
    const { timezone } = rule;
    const builtIn = (text: string) => parseDateTime(text, timezone, rule.now);
    if (timestamp.format === undefined) {
      this.#parseText = builtIn;
    } else {
      const pattern = compilePattern(timestamp.format);
      this.#parseText = (text) => pattern.read(text, timezone, rule.now) ?? builtIn(text);
    }
  }

  /** @throws {RowError} E507 when the column holds no time. */
  of(row: Row): number {
    const value: Value = getOwn(row.values, this.column);
    const time = this.#read(value);
    // Nanoseconds, say: a watermark that far ahead would make every row late from then on, and is no whole number.
    if (time !== undefined && isTimestamp(time)) return time;
    const found = value === undefined ? "no such column" : value === null ? "null" : JSON.stringify(String(value));
    throw new RowError(
      "E507",
      `Timestamp column "${this.column}": expected Unix milliseconds or a datetime, found ${found}`,
    );
  }

  #read(value: Value): number | undefined {
    switch (typeof value) {
      case "number":
        return Math.trunc(value);
      case "bigint":
        return Number(value);
      case "string":
        return this.#parseText(value)?.ms;
      case "object":
        return value instanceof DateTime ? value.ms : undefined;
    }
    return undefined;
  }
}

export class WatermarkOperator implements Operator {
  readonly #streams: readonly StreamTime[];
  /** By position in FROM. */
  readonly #bySource: (StreamTime | undefined)[] = [];
  readonly #lateTolerance: number;
  readonly #rowByRow: boolean;
  readonly #context: OperatorContext;
  readonly #output: Output;
  /** Rows that wait, sorted by time; `#head` is the first that has not left. */
  #waiting: Row[] = [];
  #head = 0;
  #watermark = -Infinity;
  #processing = -Infinity;

  constructor(plan: WatermarkPlan, context: OperatorContext, output: Output) {
    this.#streams = plan.timestamps.map((timestamp) => new StreamTime(timestamp, context.rule));
    for (const stream of this.#streams) this.#bySource[stream.source] = stream;
    this.#lateTolerance = plan.lateTolerance;
    this.#rowByRow = plan.rowByRow;
    this.#context = context;
    this.#output = output;
  }

  push(batch: Batch): void {
    let late = 0;
    let tooMany = 0;
    for (const row of batch.rows) {
      const stream = this.#bySource[row.source]!;
      let time: number;
      try {
        time = stream.of(row);
      } catch (error) {
        this.#context.fail(error);
        continue;
      }
      const isLate = time < this.#watermark;
      if (isLate) {
        late++;
      } else if (this.held() === waitingRowsMax) {
        tooMany++;
      } else {
        row.time = time;
        this.#insert(row);
      }
      if (time > stream.newest) {
        stream.newest = time;
        this.#raise();
      }
      if (this.#rowByRow && !isLate) this.#release();
    }
    if (late > 0) this.#context.drop("late", late);
    if (tooMany > 0) this.#context.drop("event time full", tooMany);
    this.#release();
  }

  /** The slowest stream sets the watermark: as long as one has brought nothing, there is none. */
  #raise(): void {
    let slowest = Infinity;
    for (const { newest } of this.#streams) slowest = Math.min(slowest, newest);
    this.#watermark = Math.max(this.#watermark, slowest - this.#lateTolerance);
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

  watermark(): number {
    return this.#watermark;
  }

  held(): number {
    return this.#waiting.length - this.#head;
  }

  stateBytes(): number {
    return sizeOfRows(this.#waiting, this.#head);
  }

  snapshot(): Value {
    const newest = this.#streams.map((stream) => stream.newest);
    return [this.#watermark, newest, this.#waiting.slice(this.#head).map(rowToValue)];
  }

  restore(state: Value): void {
    const [watermark, newest, waiting] = state as [number, number[], Value[]];
    this.#watermark = watermark;
    for (const [i, stream] of this.#streams.entries()) stream.newest = newest[i]!;
    this.#waiting = waiting.map(rowFromValue);
    this.#head = 0;
  }
}
