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

/** Rows, oldest first. With `window` they are one list, the content of that window; without it they are independent. */
export interface Batch {
  readonly rows: Row[];
  readonly window: WindowSpan | undefined;
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
  /** How many rows are held back, or stand in open windows. Absent on operators that hold nothing back. */
  held?(): number;
  /** Of the step that knows event time: how far it has come; -Infinity while it is not known. */
  watermark?(): number;
  /** Gives back what it holds outside of its pipeline. Absent on operators that hold nothing there. */
  close?(): void;
  /** The state, as a value that can be stored. Absent, with `restore`, on operators without state. */
  snapshot?(): Value;
  /** Takes back what `snapshot` gave. Called at most once, before the first row. */
  restore?(state: Value): void;
}

/** What the pipeline gives to its operators. */
export interface OperatorContext extends CompileContext {
  /** A row or list that could not be processed: counted, logged, and sent on when the rule asks for it. */
  fail(error: unknown): void;
  /** Rows left out for a reason that is not an error, such as lateness. */
  drop(reason: string, count: number): void;
  /** What went wrong and loses nothing, such as a condition of a window that fails and counts as false: for the log. */
  tell?(error: RowError): void;
}
