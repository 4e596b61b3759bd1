/**
 * The engine: connectors, definitions, connections and rules put together.
 * @module
 */
import type { Clock, ConnectionState, Logger } from "../connector/context.ts";
import { Disconnected } from "../connector/errors.ts";
import type { DataServer } from "../connector/data_server.ts";
import type { ConnectorList } from "../connector/connector_list.ts";
import type { FunctionSet } from "../sql/catalog.ts";
import { builtInFunctions } from "../sql/functions/built_in.ts";
import { type Actor, nobodyKnown } from "../policy/actor.ts";
import type { DeliveryStore } from "../store/delivery_store.ts";
import { MemoryDelivery } from "../store/memory_delivery.ts";
import type { Store } from "../store/store.ts";
import type { Struct } from "../value/value.ts";
import { systemClock } from "./clock.ts";
import type { ConfigRegistry } from "./configs.ts";
import { ConnectionPool, type ConnectionStatus, openNamedConnections } from "./connections.ts";
import { DeadLetters } from "./durable/dead_letters.ts";
import { DeliveryUpkeep } from "./durable/delivery_upkeep.ts";
import { LookupKeeper, LookupTables } from "./lookup_tables.ts";
import { KeyedStates } from "./keyed_states.ts";
import type { PolicyGuard } from "./policy_guard.ts";
import { addressGuard, type NetworkRules } from "./private_network.ts";
import { propertiesOf, type PropertySetting } from "./properties.ts";
import { pathResolver } from "./resolve_path.ts";
import { type ReachableRole, reachPeer } from "./reach_peer.ts";
import { RuleLauncher } from "./rule_launcher.ts";
import { RuleRegistry } from "./rule_registry.ts";
import type { SecretReferences } from "./secret_references.ts";
import type { Settings } from "./secrets.ts";
import type { Schemas } from "./schemas.ts";
import type { StreamRegistry } from "./streams.ts";
import type { Strategy } from "../telemetry/traces/sampler.ts";
import { Tracing, type TracingSettings } from "./traces/tracing.ts";
import { TrialRuns } from "./trial/trial_runs.ts";

export interface EngineOptions {
  readonly connectors: ConnectorList;
  readonly store: Store;
  /** What rules with `qos` 1 and 2 keep. Its opener closes it after the engine. Absent: it ends with the engine. */
  readonly delivery?: DeliveryStore;
  readonly streams: StreamRegistry;
  readonly configs: ConfigRegistry;
  /** Absent: formats that need a schema are refused. */
  readonly schemas?: Schemas;
  readonly config: {
    /** Defaults of rule options. */
    readonly rule?: Readonly<Record<string, unknown>>;
    /** Defaults of what actions keep while their sink is away. */
    readonly sink?: Readonly<Record<string, unknown>>;
    /** For actions that encrypt. */
    readonly aesKey?: Uint8Array | undefined;
    /** Which addresses connectors of HTTP may connect to; all when absent. */
    readonly network?: NetworkRules;
    /** IANA name, or `Local`. */
    readonly timezone: string;
    /** Longest wait between two looks at a rule that may restart or has a schedule, in milliseconds; 10 s when absent. */
    readonly rulePatrolInterval?: number;
    /** Columns are found without regard to case. */
    readonly ignoreCase?: boolean;
    /** System properties, by name. */
    readonly properties?: Readonly<Record<string, PropertySetting>>;
    /** How traces are made and where they go; as `tracingDefaults` when absent. */
    readonly tracing?: TracingSettings;
  };
  readonly log: Logger;
  readonly clock?: Clock;
  readonly functions?: FunctionSet;
  /** Who may read and write what; everybody everything when absent. */
  readonly policies?: PolicyGuard;
  /** What references to secrets stand for; themselves when absent. */
  readonly secrets?: SecretReferences;
  /** Where connectors serve paths. Absent: those that need it say that there is none. */
  readonly dataServer?: DataServer;
  /** Of weir, for traces. */
  readonly version?: string;
}

export interface LiveConnectionStatus {
  readonly state: ConnectionState;
  readonly error?: string;
  readonly refCount: number;
}

/** How connections are, for the admin interface. */
export interface EngineConnections {
  /** Undefined for a connection that is not open. */
  status(id: string): LiveConnectionStatus | undefined;
  usersOf(id: string): readonly string[];
  changed(id: string): Promise<void>;
  anonymous(): readonly {
    readonly id: string;
    readonly type: string;
    readonly settings: Record<string, unknown>;
    readonly status: LiveConnectionStatus;
  }[];
}

/** Traces, for the admin interface. */
export type EngineTraces = Pick<Tracing, "ofRule" | "trace" | "collect" | "figures"> & {
  start(id: string, strategy: Strategy, actor?: Actor): Promise<void>;
  stop(id: string): void;
};

export interface Engine {
  readonly rules: RuleRegistry;
  readonly deadLetters: DeadLetters;
  readonly trials: TrialRuns;
  readonly traces: EngineTraces;
  readonly live: EngineConnections;
  readonly wantedColumns: (stream: string) => readonly string[];
  readonly newestRow: (stream: string) => Struct | undefined;
  /** Connects to the peer of a connector once, to see whether it can be reached; see {@linkcode reachPeer}. */
  readonly reach: (role: ReachableRole, type: string, settings: Settings, actor?: Actor) => Promise<void>;
  /** Opens the named connections and starts the rules that shall run; thousands of them go on starting after it. */
  start(): Promise<void>;
  /** Makes a rule what the store holds now: made, replaced or gone. */
  followStored(id: string): Promise<void>;
  /** Resolves when all of them have started. */
  whenStarted(): Promise<void>;
  /** Stops every rule and closes every connection. */
  close(): Promise<void>;
}

export function createEngine(options: EngineOptions): Engine {
  const { connectors, store, streams, configs, config, log } = options;
  const clock = options.clock ?? systemClock;
  const delivery = options.delivery ?? new MemoryDelivery();
  const upkeep = new DeliveryUpkeep(delivery, clock, log);
  const resolvePath = store.directory === undefined ? undefined : pathResolver(store.directory);
  const pool = new ConnectionPool(
    clock,
    log,
    addressGuard(config.network),
    options.dataServer,
    resolvePath,
    options.secrets,
  );
  const states = new KeyedStates(store);
  const tables = new LookupTables({ pool, clock, log, resolvePath });
  const launcher = new RuleLauncher({
    pool,
    tables,
    delivery,
    clock,
    log,
    timezone: config.timezone,
    resolvePath,
    ...(options.policies === undefined ? {} : { policies: options.policies }),
    outside: { keyedState: (key) => states.get(key), properties: propertiesOf(config.properties ?? {}) },
  });
  const environment = {
    connectors,
    configs,
    streams,
    ...(options.schemas === undefined ? {} : { schemas: options.schemas }),
    functions: options.functions ?? builtInFunctions,
    timezone: config.timezone,
    ignoreCase: config.ignoreCase ?? false,
    resolvePath,
    ...(options.policies === undefined ? {} : { policies: options.policies }),
    ...(options.secrets === undefined ? {} : { secrets: options.secrets }),
    ...(config.sink === undefined ? {} : { sinkDefaults: config.sink }),
    ...(config.aesKey === undefined ? {} : { aesKey: config.aesKey }),
  };
  const tracing = new Tracing({
    ...(config.tracing === undefined ? {} : { settings: config.tracing }),
    ...(options.version === undefined ? {} : { version: options.version }),
    clock,
    log,
  });
  const keeper = new LookupKeeper(tables, environment, log);
  streams.watch(keeper);
  const defaults = {
    ...(config.rule === undefined ? {} : { options: config.rule }),
    timezone: config.timezone,
    generateId,
  };
  const trials = new TrialRuns({ environment, launcher, defaults, dataServer: options.dataServer, clock, log });
  const rules = new RuleRegistry({
    store,
    delivery,
    environment,
    launcher,
    defaults,
    ...(config.rulePatrolInterval === undefined ? {} : { patrolInterval: config.rulePatrolInterval }),
    clock,
    log,
    tracing,
  });
  let starting: Promise<void> | undefined;
  return {
    rules,
    deadLetters: new DeadLetters(delivery, (id) => rules.lettersOf(id)),
    trials,
    traces: tracesOf(tracing, rules),
    live: connectionsOf(pool, configs, connectors, rules, log),
    wantedColumns: (stream) => rules.wantedColumns(stream),
    newestRow: (stream) => rules.newestRow(stream),
    reach: (role, type, settings, actor) =>
      reachPeer(role, type, settings, {
        ...(options.policies === undefined
          ? {}
          : { permits: (resource) => options.policies!.check(actor ?? nobodyKnown, [resource]) }),
        connectors,
        configs,
        pool,
        clock,
        log,
        ...(resolvePath === undefined ? {} : { resolvePath }),
      }),
    start() {
      starting = (async () => {
        await openNamedConnections(pool, configs, connectors, log);
        await keeper.start(() => streams.list("table"));
        rules.removeOrphans();
        // What ends with the engine is small.
        if (options.delivery !== undefined) upkeep.start();
        await rules.startTriggered();
      })();
      return starting;
    },
    followStored: (id) => rules.followStored(id),
    async whenStarted() {
      await starting;
      await rules.whenStarted();
    },
    async close() {
      await trials.close();
      await rules.close();
      await tracing.close();
      upkeep.stop();
      await tables.close();
      await pool.close();
      if (options.delivery === undefined) delivery.close();
    },
  };
}

/** `rule_` and eight letters and digits; a collision would be refused as a rule that exists. */
function generateId(): string {
  return `rule_${crypto.randomUUID().replaceAll("-", "").slice(0, 8)}`;
}

function shown({ state, message, users }: ConnectionStatus): LiveConnectionStatus {
  return { state, refCount: users, ...(message === undefined ? {} : { error: message }) };
}

function tracesOf(tracing: Tracing, rules: RuleRegistry): EngineTraces {
  return {
    start: (id, strategy, actor) => rules.startTrace(id, strategy, actor),
    stop: (id) => rules.stopTrace(id),
    ofRule: (id, limit) => tracing.ofRule(id, limit),
    trace: (id) => tracing.trace(id),
    collect: (collector) => tracing.collect(collector),
    get figures() {
      return tracing.figures;
    },
  };
}

function connectionsOf(
  pool: ConnectionPool,
  configs: ConfigRegistry,
  connectors: ConnectorList,
  rules: RuleRegistry,
  log: Logger,
): EngineConnections {
  return {
    status(id) {
      const type = configs.connection(id)?.type;
      const status = type === undefined ? undefined : pool.namedStatus(id, type);
      return status === undefined ? undefined : shown(status);
    },
    usersOf: (id) => rules.usersOfConnection(id),
    async changed(id) {
      await pool.closeNamed(id);
      const named = configs.connection(id);
      if (named === undefined) return;
      await connectors.load([named.type]);
      const connector = connectors.find(named.type, "connection");
      if (connector === undefined) return;
      try {
        pool.openNamed(named, connector);
      } catch (error) {
        // The rules that use it try again.
        if (!(error instanceof Disconnected)) throw error;
        log.warn("A connection cannot be opened yet", { connection: id, reason: error.message });
      }
    },
    anonymous: () => pool.anonymous().map((connection) => ({ ...connection, status: shown(connection.status) })),
  };
}
