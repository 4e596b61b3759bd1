/**
 * What weir keeps across restarts. The engine sees this interface, never SQLite.
 * @module
 */

/**
 * What a definition defines. Texts are what the user gave: a CREATE statement for streams and tables, JSON for the
 * rest. Names of configurations are `type/key`, so that `mqtt/plant` is the confKey `plant` of the mqtt connector; those of schemas are `type/name`. A
 * keyed state defines the value that rules read under its name. Accounts are `user/name` and `token/name`. `managed` is the record of
 * what files own.
 */
export type DefinitionKind =
  | "stream"
  | "table"
  | "rule"
  | "source_config"
  | "sink_config"
  | "connection_config"
  | "connection"
  | "schema"
  | "keyed_state"
  | "account"
  | "managed"
  // Who saved a rule last, by its id.
  | "rule_owner";

export interface Definition {
  readonly name: string;
  readonly text: string;
}

/**
 * Every method is synchronous and durable against a killed process when it returns, or when the outermost transaction
 * returns.
 *
 * @throws {StoreError} from each of them when the disk or the database fails; what was to be written is not there.
 */
export interface Store {
  /** The folder it lives in, absolute; other files of the agent may stand there too. Absent: nothing is on a disk. */
  readonly directory?: string;
  /** The text of a definition, or undefined. */
  get(kind: DefinitionKind, name: string): string | undefined;
  /** All definitions of a kind, by name in byte order. */
  list(kind: DefinitionKind): Definition[];
  /** Inserts or replaces. */
  put(kind: DefinitionKind, name: string, text: string): void;
  /** True when there was one to delete. */
  delete(kind: DefinitionKind, name: string): boolean;
  /** Runs `work` so that all of its changes happen or, when it throws, none. Transactions may be nested. */
  transaction<T>(work: () => T): T;
  /** Closes the store; it may be closed twice. */
  close(): void;
}
