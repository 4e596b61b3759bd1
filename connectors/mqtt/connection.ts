/**
 * The connection of the `mqtt` connector: settings to client options, and the client loaded when it is first needed.
 * @module
 */
import type { InferOutput } from "valibot";
import type { ConnectorContext } from "../../src/connector/context.ts";
import { refuseSetting } from "../../src/connector/settings.ts";
import { tlsOptions } from "../../src/connector/tls_settings.ts";
import type { MqttConnection, MqttOptions, MqttStatus } from "./client/connection.ts";
import type { connectionSettings } from "./mod.ts";

type Settings = InferOutput<typeof connectionSettings>;

/** Opens at once in the background; whoever wants to use it waits for the code, never for the broker. */
export class LazyConnection {
  /** True when the broker keeps the session while weir is away: subscriptions must then outlive their users here. */
  readonly keepsSession: boolean;
  readonly #connection: Promise<MqttConnection>;

  constructor(settings: Settings, context: ConnectorContext) {
    this.keepsSession = settings.enableClientSession;
    this.#connection = import("./client/open_mqtt.ts").then(({ openMqtt }) => {
      const report = (status: MqttStatus) => {
        if (status.state === "closed") return;
        const message = status.error === undefined ? undefined : `${status.server}: ${status.error.message}`;
        context.status(status.state, message);
      };
      return openMqtt({ ...clientOptions(settings), onStatus: report });
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
    tlsOptions(settings as Parameters<typeof tlsOptions>[0]);
  }

  open(): Promise<MqttConnection> {
    return this.#connection;
  }

  async close(): Promise<void> {
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
