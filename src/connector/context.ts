/**
 * What the engine hands to a connector when it opens it: a clock, a log, a place to report its connection.
 * @module
 */
import type { DataServer } from "./data_server.ts";

/** Time as a parameter: the machine's clock in a running agent, a virtual one in tests, replay and simulation. */
export interface Clock {
  /** Unix milliseconds. */
  now(): number;
  /** Resolves after `ms` milliseconds of this clock; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls back once after `ms` milliseconds of this clock, unless the returned function cancels it before. */
  after(ms: number, callback: () => void): () => void;
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
  /**
   * The id of the rule, or of the shared stream, that the handle works for; equal for the sources and sinks of one rule.
   * A connector uses it to see that a rule feeds itself.
   */
  readonly owner?: string;
  readonly clock: Clock;
  readonly log: Logger;
  /**
   * Makes the path of a setting absolute, against the data directory. Refuses a relative one that leaves it, and files
   * of weir itself (DiagnosticError E403). Absent: paths are taken against the working directory, without limits.
   */
  resolvePath?(path: string): string;
  /** Of a connection: the HTTP server of the process. Absent where there is none, as in a test of a rule. */
  readonly dataServer?: DataServer;
  /**
   * Why a connector whose addresses may come from data shall not connect to `address`, an IP address that `host` has;
   * undefined when it may. Absent: it may connect to all.
   */
  refusesAddress?(host: string, address: string): string | undefined;
  /**
   * Tells the engine, and so the rule's status and metrics, how the connection to the peer is. `message` is the reason
   * of a loss. A connector without a connection never calls it and counts as connected.
   */
  status(state: ConnectionState, message?: string): void;
}
