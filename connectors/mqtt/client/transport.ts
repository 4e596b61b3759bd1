/**
 * The stream of bytes below a client: a socket, TLS, or something else.
 * @module
 */
import type { TlsOptions } from "./connection.ts";
import type { ServerAddress } from "./server_address.ts";

/** Called by a transport; never before the function that opened it has returned, never after `onClose`. */
export interface TransportEvents {
  /** The peer is reached and, with TLS, trusted. Called once. */
  onOpen(): void;
  /** Bytes came. The chunk belongs to the receiver: the transport never writes to it again. */
  onData(chunk: Uint8Array): void;
  /**
   * True when nobody waits for an answer to what the last `onData` brought, nor for an answer in what comes next: all
   * of it were messages of QoS 0. A busy transport may then let some more arrive before it reads again.
   */
  readonly patient: boolean;
  /** After a `write` that returned false: there is room again. */
  onDrain(): void;
  /** It is over, whoever ended it. Called once. */
  onClose(error: Error | undefined): void;
}

export interface Transport {
  /**
   * Sends the chunks in order, as one write where that is possible.
   *
   * @returns false when the caller should wait for `onDrain`
   */
  write(chunks: readonly Uint8Array[]): boolean;
  /** Stops reading, so that the peer is slowed down. */
  pause(): void;
  resume(): void;
  /** Flushes, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

export type OpenTransport = (
  address: ServerAddress,
  tls: TlsOptions | undefined,
  events: TransportEvents,
) => Transport;
