/**
 * What one client of the admin interface, and all together, may take.
 * @module
 */

export interface ServerLimits {
  /** At a time. Beyond it, a connection without a request makes room for a new one. */
  readonly connectionsMax: number;
  /** At a time, of one address or network (see `addressGroup`): others must get in, whatever somebody does. */
  readonly connectionsOfOneMax: number;
  /** For the line of a request and its headers together. */
  readonly headBytesMax: number;
  /** For the handshake of TLS, and again for the head of a request from its first byte on. */
  readonly headMsMax: number;
  /** For a body, however large. */
  readonly bodyMsMax: number;
  /** Between two requests on a connection. */
  readonly idleMsMax: number;
  /** How long a client may take nothing of an answer that waits for it. */
  readonly stallMsMax: number;
  /** Requests that may wait on a connection for the answer to one before. */
  readonly waitingMax: number;
  /** How long a body that nobody reads is taken, so that the answer reaches a client that sends first. */
  readonly lingerMs: number;
}

export const usualLimits: ServerLimits = {
  connectionsMax: 256,
  connectionsOfOneMax: 192,
  headBytesMax: 16 * 1024,
  headMsMax: 10_000,
  bodyMsMax: 120_000,
  idleMsMax: 60_000,
  stallMsMax: 60_000,
  waitingMax: 16,
  lingerMs: 1_000,
};
