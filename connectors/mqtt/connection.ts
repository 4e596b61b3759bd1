/**
 * The connection of the `mqtt` connector: settings to client options, and the client loaded when it is first needed.
 * @module
 */
import type { InferOutput } from "valibot";
import type { Clock, ConnectorContext } from "../../src/connector/context.ts";
import { show } from "../../src/connector/lenient_value.ts";
import { refuseSetting } from "../../src/connector/settings.ts";
import { tlsOptions } from "../../src/connector/tls_settings.ts";
import type { MqttConnection, MqttOptions, MqttStatus } from "./client/connection.ts";
import type { connectionSettings } from "./mod.ts";

type Settings = InferOutput<typeof connectionSettings>;

/**
 * How long a kept session goes on collecting for a source that has left: longer than rules have to stop, so that the
 * subscription outlives weir itself, and a rule that is started again finds what came meanwhile.
 */
const reunionMs = 7000;

/** Opens at once in the background; whoever wants to use it waits for the code, never for the broker. */
export class LazyConnection {
  /** True when the broker keeps the session while weir is away: subscriptions must then outlive their users here. */
  readonly keepsSession: boolean;
  /** True when the broker says whether it has kept the session, as from MQTT 3.1.1 on. */
  readonly tellsSession: boolean;
  /** True when messages can carry user properties: MQTT 5. */
  readonly hasUserProperties: boolean;
  readonly #connection: Promise<MqttConnection>;
  readonly #clock: Clock;
  /** Of a kept session: how many sources read a filter. */
  readonly #readers = new Map<string, number>();
  /** Cancel what shall happen to filters that were left. */
  readonly #partings = new Set<() => void>();
  #closed = false;

  constructor(settings: Settings, context: ConnectorContext) {
    this.keepsSession = settings.enableClientSession;
    this.tellsSession = settings.protocolVersion !== "3.1";
    this.hasUserProperties = settings.protocolVersion === "5";
    this.#clock = context.clock;
    this.#connection = import("./client/open_mqtt.ts").then(({ openMqtt }) => {
      const report = (status: MqttStatus) => {
        if (status.state === "closed") return;
        const message = status.error === undefined ? undefined : `${status.server}: ${status.error.message}`;
        context.status(status.state, message);
      };
      const options = { ...clientOptions(settings), onStatus: report };
      try {
        return openMqtt(options);
      } catch (error) {
        // It connects later; what it refuses at once are options, and no attempt will mend them.
        return refuseSetting("server", (error as Error).message);
      }
    });
    // Whoever opens sees the failure; without anybody it must not end the process.
    this.#connection.catch(() => {});
  }

  /** What can be known to be wrong before connecting. */
  static check(settings: Settings): void {
    if (settings.server.length === 0) {
      refuseSetting("server", 'mqtt needs a "server", such as tcp://broker:1883', "E404");
    }
    if (settings.enableClientSession && (settings.clientid === undefined || settings.clientid === "")) {
      const message = 'enableClientSession needs a "clientid": the broker finds the session by it';
      refuseSetting("clientid", message, "E404");
    }
    for (const server of settings.server) {
      if (!URL.canParse(server)) refuseSetting("server", `Cannot read broker URL ${show(server)}: it is not a URL`);
    }
    if (settings.password !== undefined && settings.username === undefined && settings.protocolVersion !== "5") {
      refuseSetting("username", 'a "password" needs a "username" before MQTT 5', "E404");
    }
    tlsOptions(settings as Parameters<typeof tlsOptions>[0]);
  }

  open(): Promise<MqttConnection> {
    return this.#connection;
  }

  /**
   * Follows a source of a kept session. Its messages are left to the broker when it closes; but when the connection
   * then lives on without a reader for them, they would in time hold up everybody else on it.
   */
  follow<Reader extends { close(): Promise<void> }>(source: Reader, filters: readonly string[]): Reader {
    const count = (step: number) => {
      for (const filter of filters) this.#readers.set(filter, (this.#readers.get(filter) ?? 0) + step);
    };
    count(1);
    const close = source.close.bind(source);
    source.close = async () => {
      await close();
      count(-1);
      if (this.#closed) return;
      const cancel = this.#clock.after(reunionMs, () => {
        this.#partings.delete(cancel);
        void this.#part(filters);
      });
      this.#partings.add(cancel);
    };
    return source;
  }

  /** Ends the subscriptions that nobody reads, and acknowledges what waits for them. */
  async #part(filters: readonly string[]): Promise<void> {
    const left = filters.filter((filter) => this.#readers.get(filter) === 0);
    if (left.length === 0) return;
    try {
      const subscription = (await this.#connection).subscribe({
        filters: left.map((filter) => ({ filter, qos: 0, retainHandling: 2 })),
        onBatch: (batch) => batch.ack(),
      });
      await subscription.subscribed();
      await subscription.close("unsubscribe");
    } catch {
      // The connection was closed meanwhile: the session is as its user left it.
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const cancel of this.#partings) cancel();
    this.#partings.clear();
    const connection = await this.#connection.catch(() => undefined);
    await connection?.close();
  }
}

function clientOptions(settings: Settings): MqttOptions {
  const { servername, ...tls } = tlsOptions(settings as Parameters<typeof tlsOptions>[0]);
  const version = settings.protocolVersion;
  return {
    servers: settings.server,
    protocolVersion: version === "4" ? "3.1.1" : version,
    ...(settings.clientid === undefined || settings.clientid === "" ? {} : { clientId: settings.clientid }),
    ...(settings.username === undefined ? {} : { username: settings.username }),
    ...(settings.password === undefined ? {} : { password: settings.password }),
    session: settings.enableClientSession ? "keep" : "clean",
    sessionExpirySeconds: settings.sessionExpiryIntervalSeconds,
    keepAliveSeconds: Math.round(settings.keepAlive / 1000),
    connectTimeoutMs: settings.connectTimeout,
    tls: { ...tls, ...(servername === undefined ? {} : { serverName: servername }) },
  };
}
