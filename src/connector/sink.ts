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

/**
 * Of one message: those `dynamic` settings that hold a template, filled in from its data. A sink names the ones it knows:
 * `readonly Partial<MySettings>[]`. They are texts of any kind, for the sink to check; `ItemsFailed` says what is wrong.
 */
export type MessageSettings = Readonly<Record<string, unknown>>;

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
   *
   * `settings` has one entry for each message, and is absent when no setting of the action holds a template. It wins over
   * the settings that `open` got, which hold the text of the template.
   *
   * `traceparents` has one entry for each message, and is absent when none of them is traced: the W3C trace context that
   * goes along with a message, where its protocol has a place for it.
   */
  write(
    batch: readonly Payload[],
    signal: AbortSignal,
    ids?: readonly string[],
    settings?: readonly MessageSettings[],
    traceparents?: readonly (string | undefined)[],
  ): Promise<void>;
  close(): Promise<void>;
}

/** Rows for a sink that accepts rows; each item is what one result of the rule gave. */
export interface RowSink {
  /** As {@linkcode PayloadSink.write}. */
  write(
    batch: readonly (readonly Struct[])[],
    signal: AbortSignal,
    ids?: readonly string[],
    settings?: readonly MessageSettings[],
    traceparents?: readonly (string | undefined)[],
  ): Promise<void>;
  close(): Promise<void>;
}
