/**
 * What the engine hands to a connector when it opens it: a clock, a log, a place to report its connection.
 * @module
 */

/** Time as a parameter: the machine's clock in a running agent, a virtual one in tests, replay and simulation. */
export interface Clock {
  /** Unix milliseconds. */
  now(): number;
  /** Resolves after `ms` milliseconds of this clock; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export type LogLevel = "debug" | "info" | "warn" | "error";

/** Structured logging: a short constant message and the facts as fields. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  with(fields: LogFields): Logger;
}

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export type ConnectionState = "connecting" | "connected" | "disconnected";

export interface ConnectorContext {
  /** Who uses the connector, for logs and default client ids: `rule r1 source demo`. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Logger;
  /**
   * Tells the engine, and so the rule's status and metrics, how the connection to the peer is. `message` is the reason
   * of a loss. A connector without a connection never calls it and counts as connected.
   */
  status(state: ConnectionState, message?: string): void;
}
