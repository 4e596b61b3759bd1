/**
 * What sources and sinks of one cluster have in common: how to reach it. Each makes a client of its own, since a consumer
 * that waits for messages holds up what shares its connection.
 * @module
 */
import { isIP } from "node:net";
import type { BaseOptions } from "@platformatic/kafka";
import type { InferOutput } from "valibot";
import type { ConnectionState, ConnectorContext } from "../../src/connector/context.ts";
import { tlsOptions } from "../../src/connector/tls_settings.ts";
import type { connectionSettings } from "./mod.ts";

type Settings = InferOutput<typeof connectionSettings>;

const mechanisms = { plain: "PLAIN", scram: "SCRAM-SHA-512", "scram-sha-256": "SCRAM-SHA-256" } as const;

export class KafkaConnection {
  /** For messages. */
  readonly brokers: string;
  readonly timeoutMs: number;
  readonly #settings: Settings;
  readonly #status: ConnectorContext["status"];

  constructor(settings: Settings, { status }: ConnectorContext) {
    this.brokers = settings.brokers.join(", ");
    this.timeoutMs = settings.timeout;
    this.#settings = settings;
    this.#status = status;
    status("connecting");
  }

  /** Options of a client for `name`, which is tried `attempts` times before a request fails. */
  clientOptions(name: string, attempts: number): BaseOptions {
    const { brokers, saslAuthType, saslUserName, password, timeout } = this.#settings;
    return {
      clientId: `weir-${name.replaceAll(/[^\w.-]+/g, "-")}`,
      bootstrapBrokers: brokers.map((broker) => broker.replace(/^\w+:\/\//, "")),
      retries: attempts - 1,
      retryDelay: 250,
      timeout,
      connectTimeout: Math.min(timeout, 10_000),
      requestTimeout: timeout,
      ...(this.#usesTls ? { tls: tlsOptions(this.#settings), tlsServerName: this.#serverName } : {}),
      ...(saslAuthType === "none"
        ? {}
        : { sasl: { mechanism: mechanisms[saslAuthType], username: saslUserName, password } }),
    };
  }

  /** What a broker is told that it is called: its name, where the brokers have names. An address is none. */
  get #serverName(): string | boolean {
    const { serverName, brokers } = this.#settings;
    return serverName ?? !brokers.some((broker) => isIP(hostOf(broker)) !== 0);
  }

  get #usesTls(): boolean {
    const { brokers, insecureSkipVerify, certificationPath, rootCaPath, certificationRaw, rootCARaw } = this.#settings;
    const given = [certificationPath, rootCaPath, certificationRaw, rootCARaw];
    return brokers.some((broker) => broker.includes("://")) || insecureSkipVerify ||
      given.some((text) => text !== undefined && text !== "");
  }

  report(state: ConnectionState, message?: string): void {
    this.#status(state, message);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function hostOf(broker: string): string {
  return broker.replace(/^\w+:\/\//, "").replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}
