/**
 * What a command of the command line is, and what it gets.
 * @module
 */
import type { AdminOptions } from "../admin/app.ts";
import type { TraceRoutes } from "../admin/traces.ts";
import type { LiveConnections } from "../admin/connections.ts";
import type { Logger } from "../connector/context.ts";
import type { DataServer } from "../connector/data_server.ts";
import type { ConnectorList } from "../connector/connector_list.ts";
import type { AgentConfig } from "../config/schema.ts";
import type { Platform } from "../platform/platform.ts";
import type { ConfigRegistry } from "../runtime/configs.ts";
import type { DeadLetters } from "../runtime/durable/dead_letters.ts";
import type { PolicyGuard } from "../runtime/policy_guard.ts";
import type { Rules } from "../runtime/rules.ts";
import type { SchemaRegistry } from "../runtime/schemas.ts";
import type { SecretReferences } from "../runtime/secret_references.ts";
import type { StreamRegistry } from "../runtime/streams.ts";
import type { TrialRuns } from "../runtime/trial/trial_runs.ts";
import type { DeliveryStore } from "../store/delivery_store.ts";
import type { Store } from "../store/store.ts";
import type { ModbusModule } from "./modbus_master.ts";

/** What an engine is made of. */
export interface EngineParts {
  readonly store: Store;
  /** Its opener closes it. Absent for an engine that only checks rules. */
  readonly delivery?: DeliveryStore;
  readonly streams: StreamRegistry;
  readonly configs: ConfigRegistry;
  readonly schemas?: SchemaRegistry;
  readonly config: Pick<AgentConfig, "rule" | "timezone" | "properties">;
  readonly log: Logger;
  readonly dataServer?: DataServer;
  readonly secrets?: SecretReferences;
  /** Who may read and write what. */
  readonly policies?: PolicyGuard;
  /** Of weir. */
  readonly version?: string;
}

/** The engine as `serve` and `validate` use it. */
export interface Engine {
  readonly rules: Rules;
  readonly deadLetters?: DeadLetters;
  readonly trials?: TrialRuns;
  readonly traces?: TraceRoutes;
  readonly live?: LiveConnections;
  readonly wantedColumns?: (stream: string) => readonly string[];
  readonly newestRow?: AdminOptions["newestRow"];
  readonly reach?: AdminOptions["reach"];
  /**
   * Starts the stored rules that are triggered; thousands of them go on starting after it. An engine that is never started
   * can still check rules.
   */
  start?(): Promise<void>;
  /** Makes a rule what the store holds now: made, replaced or gone. Absent for an engine that only checks rules. */
  followStored?(id: string): Promise<void>;
  /** Resolves when all of them have started. */
  whenStarted?(): Promise<void>;
  /** Stops every rule, with a checkpoint where it has one. */
  close(): Promise<void>;
}

/** The part of weir that runs rules, with the connectors it can use. */
export interface EngineModule {
  readonly connectors: ConnectorList;
  create(parts: EngineParts): Engine | Promise<Engine>;
}

/** The world of a command. A test gives its own. */
export interface CliContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Text for the result, written as it is. */
  readonly stdout: (text: string) => void;
  /** Resolves when what reads the result has caught up; undefined when it has. Absent where nothing is held for it. */
  readonly stdoutReady?: () => Promise<void> | undefined;
  /** Text for people: errors, progress. */
  readonly stderr: (text: string) => void;
  /** All of standard input. */
  readonly stdin: () => Promise<string>;
  /** Standard input as it comes. */
  readonly stdinBytes: () => AsyncIterable<Uint8Array>;
  readonly isTerminal: { readonly stdout: boolean; readonly stderr: boolean };
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly platform: Platform;
  /** Loaded only by commands that run rules. */
  readonly loadEngine: () => Promise<EngineModule>;
  /** Loaded only by `weir modbus`. */
  readonly loadModbus: () => Promise<ModbusModule>;
}

export interface Flag {
  readonly type: "string" | "boolean";
  readonly short?: string;
  /** What stands for the value in the help: `HOST:PORT`. */
  readonly value?: string;
  readonly summary: string;
  /** May be given several times. */
  readonly multiple?: boolean;
}

/** The arguments of a command, split. */
export interface Arguments {
  readonly positionals: readonly string[];
  /** The value of a flag with one, or undefined. */
  text(name: string): string | undefined;
  /** All values of a flag that may be repeated. */
  texts(name: string): readonly string[];
  flag(name: string): boolean;
}

export interface Command {
  /** Lines such as `weir rule start ID`. */
  readonly usage: readonly string[];
  readonly flags: Readonly<Record<string, Flag>>;
  /** More prose for `--help`. */
  readonly details?: string;
  /** The exit code. */
  run(args: Arguments, context: CliContext): Promise<number>;
}

/** The command line is wrong: exit code 2 and a pointer to the help. */
export class UsageError extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.name = "UsageError";
    this.hint = hint;
  }
}

/** The command could not do what it was asked: exit code 1. */
export class CliError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "CliError";
  }
}
