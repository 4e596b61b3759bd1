/**
 * Physical connections and who uses them: named ones live on their own, others as long as somebody holds them.
 *
 * Invariant: a connection is open exactly while it has a holder; a named connection is held by the engine itself.
 * @module
 */
import type { ConnectorList } from "../connector/connector_list.ts";
import type { Clock, ConnectionState, ConnectorContext, Logger } from "../connector/context.ts";
import type { ClosableConnection, ConnectionRole, Connector, SettingsSchema } from "../connector/declare.ts";
import type { DataServer } from "../connector/data_server.ts";
import { readSettings } from "../connector/settings.ts";
import type { ConfigRegistry, NamedConnection } from "./configs.ts";
import { ConnectionLog } from "./connection_log.ts";
import type { SecretReferences } from "./secret_references.ts";

type StatusListener = (state: ConnectionState, message?: string) => void;

/** One use of a connection. */
export interface ConnectionLease {
  readonly connection: ClosableConnection;
  /** Gives the use back; the last one closes the connection. */
  release(): Promise<void>;
}

/** What a source or sink wants to connect with. */
export interface ConnectionRequest {
  readonly connector: Connector;
  /** Checked settings of the connection. */
  readonly settings: unknown;
  /** The id of the named connection it selects. */
  readonly named: string | undefined;
  /** Who asks, for logs and default client ids. */
  readonly name: string;
  readonly onStatus: StatusListener;
}

/** What a connection said last. */
interface Report {
  state: ConnectionState;
  message: string | undefined;
}

interface Pooled {
  readonly type: string;
  readonly settings: unknown;
  /** Who opened it. */
  readonly name: string;
  readonly isNamed: boolean;
  readonly connection: ClosableConnection;
  readonly listeners: Set<StatusListener>;
  readonly report: Readonly<Report>;
  holders: number;
}

/** How an open connection is. */
export interface ConnectionStatus {
  readonly state: ConnectionState;
  readonly message: string | undefined;
  /** Uses besides the engine's own. */
  readonly users: number;
}

/** A connection that a rule opened for itself. */
export interface AnonymousConnection {
  /** Who opened it: `rule r1 source demo`. */
  readonly id: string;
  readonly type: string;
  readonly settings: Record<string, unknown>;
  readonly status: ConnectionStatus;
}

export class ConnectionPool {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #dataServer: DataServer | undefined;
  readonly #resolvePath: ConnectorContext["resolvePath"];
  readonly #pooled = new Map<string, Pooled>();
  readonly #named = new Map<string, ConnectionLease>();
  #unnamed = 0;
  /** See `ConnectorContext`. */
  readonly refusesAddress: ConnectorContext["refusesAddress"];
  /** What references to secrets in settings stand for; themselves when absent. */
  readonly secrets: Pick<SecretReferences, "resolve"> | undefined;

  constructor(
    clock: Clock,
    log: Logger,
    refusesAddress?: ConnectorContext["refusesAddress"],
    dataServer?: DataServer,
    resolvePath?: ConnectorContext["resolvePath"],
    secrets?: Pick<SecretReferences, "resolve">,
  ) {
    this.secrets = secrets;
    this.#clock = clock;
    this.#log = log;
    this.#dataServer = dataServer;
    this.#resolvePath = resolvePath;
    this.refusesAddress = refusesAddress;
  }

  acquire(request: ConnectionRequest): ConnectionLease {
    const role = request.connector.connection!;
    const key = this.#keyOf(request, role);
    let pooled = this.#pooled.get(key);
    if (pooled === undefined) {
      pooled = this.#open(key, request, role);
    } else {
      request.onStatus(pooled.report.state, pooled.report.message);
    }
    pooled.holders++;
    pooled.listeners.add(request.onStatus);
    return { connection: pooled.connection, release: this.#releaser(key, pooled, request.onStatus) };
  }

  #keyOf(request: ConnectionRequest, role: ConnectionRole<SettingsSchema, ClosableConnection>): string {
    if (request.named !== undefined) return `named ${request.connector.name}/${request.named}`;
    const identity = role.identity(request.settings as never);
    return identity === undefined ? `private ${this.#unnamed++}` : `shared ${request.connector.name}/${identity}`;
  }

  #open(
    key: string,
    request: ConnectionRequest,
    role: ConnectionRole<SettingsSchema, ClosableConnection>,
  ): Pooled {
    const listeners = new Set<StatusListener>([request.onStatus]);
    const name = request.named === undefined ? request.name : `connection ${request.named}`;
    // Apart from the entry: the connector may report its first state while it opens, before the entry exists.
    const report: Report = { state: "connecting", message: undefined };
    const log = this.#log.with({ connector: request.connector.name, for: name });
    const told = new ConnectionLog(log);
    const status = (state: ConnectionState, message?: string) => {
      Object.assign(report, { state, message });
      told.report(state, message);
      for (const listener of listeners) listener(state, message);
    };
    const settings = this.secrets?.resolve(request.settings) ?? request.settings;
    const connection = role.open(settings as never, {
      name,
      clock: this.#clock,
      log,
      status,
      ...(this.#dataServer === undefined ? {} : { dataServer: this.#dataServer }),
      ...(this.#resolvePath === undefined ? {} : { resolvePath: this.#resolvePath }),
      ...(this.refusesAddress === undefined ? {} : { refusesAddress: this.refusesAddress }),
    });
    const pooled: Pooled = {
      type: request.connector.name,
      settings: request.settings,
      name,
      isNamed: request.named !== undefined,
      connection,
      listeners,
      report,
      holders: 0,
    };
    this.#pooled.set(key, pooled);
    return pooled;
  }

  #releaser(key: string, pooled: Pooled, listener: StatusListener): () => Promise<void> {
    let released = false;
    return async () => {
      if (released) return;
      released = true;
      pooled.listeners.delete(listener);
      if (--pooled.holders > 0) return;
      if (this.#pooled.get(key) === pooled) this.#pooled.delete(key);
      await pooled.connection.close();
    };
  }

  // ---------------------------------------------------------------- named connections

  /** Opens a named connection and keeps it open until {@linkcode closeNamed}. */
  openNamed(named: NamedConnection, connector: Connector): void {
    const role = connector.connection;
    if (role === undefined || this.#named.has(named.id)) return;
    const settings = readSettings(role.settings, named.settings, {
      path: `connections.${named.id}`,
      where: `${connector.name} connection`,
    });
    const lease = this.acquire({
      connector,
      settings,
      named: named.id,
      name: `connection ${named.id}`,
      onStatus: () => {},
    });
    this.#named.set(named.id, lease);
  }

  async closeNamed(id: string): Promise<void> {
    const lease = this.#named.get(id);
    this.#named.delete(id);
    await lease?.release();
  }

  /** How a named connection is, or undefined when it is not open. */
  namedStatus(id: string, type: string): ConnectionStatus | undefined {
    const pooled = this.#pooled.get(`named ${type}/${id}`);
    if (pooled === undefined) return undefined;
    const own = this.#named.has(id) ? 1 : 0;
    return { ...pooled.report, users: pooled.holders - own };
  }

  /** The connections that rules opened for themselves. */
  anonymous(): AnonymousConnection[] {
    return [...this.#pooled.values()]
      .filter((pooled) => !pooled.isNamed)
      .map(({ name, type, settings, report, holders }) => ({
        id: name,
        type,
        settings: settings as Record<string, unknown>,
        status: { ...report, users: holders },
      }));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#named.keys()].map((id) => this.closeNamed(id)));
  }
}

/** Opens every named connection of the configuration; one that cannot be opened is logged and left out. */
export async function openNamedConnections(
  pool: ConnectionPool,
  configs: ConfigRegistry,
  connectors: ConnectorList,
  log: Logger,
): Promise<void> {
  await connectors.load(configs.connections().map(({ type }) => type));
  for (const named of configs.connections()) {
    const connector = connectors.find(named.type, "connection");
    try {
      if (connector !== undefined) pool.openNamed(named, connector);
    } catch (error) {
      log.error("Cannot open a named connection", { connection: named.id, reason: String(error) });
    }
  }
}
