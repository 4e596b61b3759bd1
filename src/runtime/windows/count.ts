/**
 * Count windows: on every `interval`-th row the latest `length` rows, once there are so many. Both time modes count rows
 * in the order in which they come here.
 *
 * At the end of the input nothing is handed on: a count window says that a number of rows has come, and rows that wait
 * for more of them are no window, so they are forgotten, and not counted as lost, but as filtered.
 * @module
 */
import type { Row, WindowSpan } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import { sizeOfRows } from "../limits/state_size.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";
import { rowFromValue, rowToValue } from "../row_state.ts";
import type { WindowContent } from "./content.ts";
import { copyRow } from "./copy_row.ts";

/** Both in rows; `interval` is at most `length`. */
export interface CountShape {
  readonly length: number;
  readonly interval: number;
}

export class CountWindow implements Operator {
  readonly #shape: CountShape;
  readonly #content: WindowContent;
  readonly #context: OperatorContext;
  readonly #output: Output;
  /** Rows so far, counted up to the length. */
  #seen = 0;
  /** Rows since the latest `interval`-th one. */
  #since = 0;

  /** When `interval` is less than `length`, the content must keep rows over a close, as {@linkcode LatestRows} does. */
  constructor(shape: CountShape, content: WindowContent, context: OperatorContext, output: Output) {
    this.#shape = shape;
    this.#content = content;
    this.#context = context;
    this.#output = output;
  }

  push(batch: Batch): void {
    const { length, interval } = this.#shape;
    for (const row of batch.rows) {
      this.#content.add(row);
      if (this.#seen < length) this.#seen++;
      if (++this.#since < interval) continue;
      this.#since = 0;
      if (this.#seen === length) this.#emit();
    }
  }

  /** A count window has no times of its own: they are the clock's, in event time too. */
  #emit(): void {
    const { now } = this.#context.rule;
    const list = this.#content.close({ start: now, end: now, trigger: now });
    if (list !== undefined) this.#output.push(list);
  }

  advance(progress: Progress): void {
    this.#output.advance(progress);
  }

  end(): void {
    this.#content.clear();
  }

  held(): number {
    return this.#content.held;
  }

  stateBytes(): number {
    return this.#content.stateBytes();
  }

  snapshot(): Value {
    return [this.#seen, this.#since, this.#content.snapshot()];
  }

  restore(state: Value): void {
    const [seen, since, content] = state as [number, number, Value];
    this.#seen = seen;
    this.#since = since;
    this.#content.restore(content);
  }
}

/** The latest rows, up to a length. They stay over a close, so each list gets rows of its own. */
export class LatestRows implements WindowContent {
  readonly #length: number;
  readonly #context: OperatorContext;
  /** A ring once it is full; `#oldest` is where it begins. */
  #rows: Row[] = [];
  #oldest = 0;
  #fresh = 0;
  readonly emitsEmpty = true;

  constructor(length: number, context: OperatorContext) {
    this.#length = length;
    this.#context = context;
  }

  add(row: Row): void {
    if (this.#fresh < this.#length) this.#fresh++;
    // The oldest row goes, and no list has had it.
    else this.#context.metrics.filtered++;
    if (this.#rows.length < this.#length) {
      this.#rows.push(row);
      return;
    }
    this.#rows[this.#oldest] = row;
    this.#oldest = (this.#oldest + 1) % this.#length;
  }

  /** Of the rows that are kept, how many no list has had yet. */
  get size(): number {
    return this.#fresh;
  }

  get held(): number {
    return this.#fresh;
  }

  #inOrder(): Row[] {
    return [...this.#rows.slice(this.#oldest), ...this.#rows.slice(0, this.#oldest)];
  }

  close(window: WindowSpan): Batch {
    const { changingSlots, metrics } = this.#context;
    metrics.passed += this.#fresh;
    this.#fresh = 0;
    return { rows: this.#inOrder().map((row) => copyRow(row, changingSlots, window)), window };
  }

  clear(): void {
    this.#context.metrics.filtered += this.#fresh;
    this.#rows = [];
    this.#oldest = 0;
    this.#fresh = 0;
  }

  stateBytes(): number {
    return sizeOfRows(this.#rows);
  }

  snapshot(): Value {
    return [this.#inOrder().map(rowToValue), this.#fresh];
  }

  restore(state: Value): void {
    const [rows, fresh] = state as [Value[], number];
    this.#rows = rows.map(rowFromValue);
    this.#oldest = 0;
    this.#fresh = fresh;
  }
}
