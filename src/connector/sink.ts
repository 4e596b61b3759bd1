/**
 * The contract of a sink: where results go.
 *
 * The engine applies `fields`, `sendSingle` and the format, keeps a bounded queue, retries with back-off and counts. A
 * sink writes one batch at a time, in order.
 * @module
 */
import type { Struct } from "../value/value.ts";

/** One message of an encoded batch. Text stays text, so that a sink can write it into its own buffer without a copy. */
export type Payload = string | Uint8Array;

/** Messages for a sink that accepts payloads. */
export interface PayloadSink {
  /**
   * Resolves when the peer has the whole batch, as far as the protocol can tell.
   *
   * @throws {Disconnected} nothing of the batch, or an unknown part of it, was written: the engine waits, opens the
   * sink again if it says so, and writes the same batch again. So a sink that can, must tolerate repeats.
   * @throws {RetryLater} the same batch again after the wait.
   * @throws {ItemsFailed} these items can never be written; the others were. The engine counts them and goes on.
   * Any other error fails the whole batch for good.
   *
   * `ids` has one text for each message, the same when the message is written again, also after a restart, and never
   * that of another message: what a receiver needs to leave out repeats. Absent for rules that keep no outbox.
   */
  write(batch: readonly Payload[], signal: AbortSignal, ids?: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** Rows for a sink that accepts rows; each item is what one result of the rule gave. */
export interface RowSink {
  /** As {@linkcode PayloadSink.write}. */
  write(batch: readonly (readonly Struct[])[], signal: AbortSignal, ids?: readonly string[]): Promise<void>;
  close(): Promise<void>;
}
