/**
 * The contract of a source: where rows come from.
 *
 * The engine opens a source, calls `read` again and again, one call at a time, and closes it once. It decodes payloads,
 * stamps arrival times, counts, retries and backs off; a source only moves data and says what happened.
 * @module
 */
import type { Struct } from "../value/value.ts";

export type { Struct, Value } from "../value/value.ts";

/** What one `read` brought, oldest first. It may be empty. */
export type SourceBatch = PayloadBatch | RowBatch;

interface BatchBase {
  /**
   * Metadata of item `index`, for `meta()` and `mqtt()`. Called only for rules that use them, and only before `ack`.
   */
  meta?(index: number): Struct | undefined;
  /**
   * Called exactly once, when everything the rules did with the whole batch is done as durably as the rules ask for,
   * or when there is no rule left to care. After it the source may forget the batch. Sources without acknowledgement
   * use it to bound what is in flight, or leave it out.
   */
  ack?(): void;
  /**
   * Where the source stands behind this batch, of a source that can begin there again: what it asks of `open` with
   * `context.position` after a restart. A text of its own making, of at most some kilobytes. The engine keeps it in the
   * same transaction as what the batch did, and calls `ack` after that; a batch without rows may carry one, too. Only
   * for rules that keep positions (`context.keepsPosition`); making one may be left out for others.
   */
  readonly position?: string;
}

/** Undecoded bytes; the stream's FORMAT gives them meaning. The views stay untouched until `ack`. */
export interface PayloadBatch extends BatchBase {
  readonly kind: "payloads";
  readonly payloads: readonly (Uint8Array | PayloadSlice)[];
}

/** The bytes `[start, end)` of `bytes`: several payloads out of one read need no view each. */
export interface PayloadSlice {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** Rows that arrive decoded; FORMAT does not apply. */
export interface RowBatch extends BatchBase {
  readonly kind: "rows";
  readonly rows: readonly Struct[];
}

export interface Source {
  /**
   * Resolves with the next batch as soon as there is one. Waits otherwise, and rejects with the signal's reason when
   * it aborts. The engine limits the batches that are not acknowledged yet and does not call `read` beyond that, so a
   * source must itself stop taking data from its peer while nobody reads.
   *
   * @throws {Disconnected} the engine closes the source and opens it again after a back-off.
   * @throws {EndOfInput} there is no more data and never will be; a rule whose sources have all ended stops as done.
   * @throws {RetryLater} the engine calls `read` again after the wait.
   * Any other error is taken as `Disconnected` and logged with its stack.
   */
  read(signal: AbortSignal): Promise<SourceBatch>;
  /** Frees everything. Called once, also after errors and while a `read` waits (its signal has aborted by then). */
  close(): Promise<void>;
}
