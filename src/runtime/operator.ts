/**
 * What an operator is: a step of a pipeline that takes batches and gives batches.
 *
 * Operators run to completion synchronously. They read no clock and own no timer: rows carry their times, and
 * `advance` tells how far processing time and the watermark have come. So the same operators serve live rules,
 * `weir query`, replay, tests and simulation, and can be cut anywhere by `snapshot` and `restore`.
 * @module
 */
import type { RowError } from "../diagnostics/row_error.ts";
import type { Row, WindowSpan } from "../value/row.ts";
import type { Value } from "../value/value.ts";
import type { CompileContext } from "../sql/compile/evaluator.ts";
import type { NodeMetrics } from "../telemetry/node_metrics.ts";

/** Rows, oldest first. With `window` they are one list, the content of that window; without it they are independent. */
export interface Batch {
  readonly rows: Row[];
  readonly window: WindowSpan | undefined;
}

/** What a batch counts as: each independent row is an item, and so is a list. */
export function itemsOf(batch: Batch): number {
  return batch.window === undefined ? batch.rows.length : 1;
}

/** How far time has come, Unix milliseconds. `watermark` is -Infinity until there is one. */
export interface Progress {
  readonly processing: number;
  readonly watermark: number;
}

/** Whatever takes batches: the next operator, or the end of the pipeline. */
export interface Output {
  push(batch: Batch): void;
  /**
   * Time has come this far; `push` never brings rows older than what was told before, late ones being dropped by the
   * watermark step. Operators emit what is due, then pass the call on.
   */
  advance(progress: Progress): void;
}

export interface Operator extends Output {
  /**
   * The processing time at which `advance` must be called even when no row arrives; Infinity for never. Absent on
   * operators that never wait for the clock.
   */
  deadline?(): number;
  /**
   * No row will come any more: hands on what is held back and what stands in open windows; empty windows are not. Called
   * once, from the source to the result. Absent on operators that hold nothing back.
   */
  end?(): void;
  /**
   * Resolves when what was pushed has gone through; undefined when it has. Nothing may be pushed, and no snapshot taken,
   * before. Absent on operators that never wait for an answer from elsewhere.
   */
  settled?(): Promise<void> | undefined;
  /**
   * How many items are held back, or rows stand in open windows that nobody has been handed yet. Absent on operators that
   * hold nothing back.
   */
  held?(): number;
  /** The scan tables that it joins with. */
  readonly tables?: readonly KeptTable[];
  /** Of the step that knows event time: how far it has come; -Infinity while it is not known. */
  watermark?(): number;
  /** Gives back what it holds outside of its pipeline. Absent on operators that hold nothing there. */
  close?(): void;
  /**
   * About how much memory its state takes, bytes. Asked every second or so, so it must cost next to nothing however large
   * the state is. Absent on operators whose state stays small.
   */
  stateBytes?(): number;
  /** The state, as a value that can be stored. Absent, with `restore`, on operators without state. */
  snapshot?(): Value;
  /** Takes back what `snapshot` gave. Called at most once, before the first row. */
  restore?(state: Value): void;
}

/** The rows of a scan table, as an operator keeps them. They are counted apart from its own. */
export interface KeptTable extends Output {
  /** The position of the table in FROM. */
  readonly position: number;
  /** Rows that newer ones have replaced have passed. */
  readonly metrics: NodeMetrics;
  /** How many rows it has. */
  held(): number;
}

/** What the pipeline gives to its operators. */
export interface OperatorContext extends CompileContext {
  /**
   * A row or list that could not be processed: counted, logged, and sent on when the rule asks for it. `items` is how many
   * are lost by it: 1 when absent, 0 where what fails was counted before.
   */
  fail(error: unknown, items?: number): void;
  /** Rows left out for a reason that is not an error, such as lateness. */
  drop(reason: string, count: number): void;
  /** Where the operator counts what it filters, and, unless it gives one item for each, what it has passed on. */
  readonly metrics: NodeMetrics;
  /** What went wrong and loses nothing, such as a condition of a window that fails and counts as false: for the log. */
  tell?(error: RowError): void;
}
