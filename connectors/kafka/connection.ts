/**
 * What sources and sinks of one cluster have in common: how to reach it. Each makes a client of its own, since a consumer
 * that waits for messages holds up what shares its connection. While nobody uses it, as a named connection, it looks itself
 * whether the cluster answers.
 * @module
 */
import { isIP } from "node:net";
import type { BaseOptions } from "@platformatic/kafka";
import type { InferOutput } from "valibot";
import type { ConnectionState, ConnectorContext } from "../../src/connector/context.ts";
import { tlsOptions } from "../../src/connector/tls_settings.ts";
import { reasonOf } from "./failure.ts";
import type { connectionSettings } from "./mod.ts";

type Settings = InferOutput<typeof connectionSettings>;

const mechanisms = { plain: "PLAIN", scram: "SCRAM-SHA-512", "scram-sha-256": "SCRAM-SHA-256" } as const;

/** Whoever opens a connection for a role uses it at once; then there is nothing to look for. */
const firstLookMs = 50;
/** How often to look while the cluster answers, and while it does not: at first, and at most. */
const lookMs = 30_000;
const lookAgainMs = { first: 1000, most: 10_000 } as const;

export class KafkaConnection {
  /** For messages. */
  readonly brokers: string;
  readonly #settings: Settings;
  readonly #context: ConnectorContext;
  readonly #end = new AbortController();
  #users = 0;

  constructor(settings: Settings, context: ConnectorContext) {
    this.brokers = settings.brokers.join(", ");
    this.#settings = settings;
    this.#context = context;
    context.status("connecting");
    this.#look().catch((error) => this.report("disconnected", String(error)));
  }

  /** Options of a client for `name`, which is tried `attempts` times before a request fails. */
  clientOptions(name: string, attempts: number): BaseOptions & { readonly requestTimeout: number } {
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

  /** A source or sink, which reports itself from now on. Gives what to call when it is closed. */
  use(): () => void {
    this.#users++;
    let isUsed = true;
    return () => {
      if (isUsed) this.#users--;
      isUsed = false;
    };
  }

  report(state: ConnectionState, message?: string): void {
    if (!this.#end.signal.aborted) this.#context.status(state, message);
  }

  async #look(): Promise<void> {
    const { clock, name } = this.#context;
    const { signal } = this.#end;
    let pauseMs = firstLookMs;
    let nextMs: number = lookAgainMs.first;
    while (true) {
      await clock.sleep(pauseMs, signal);
      pauseMs = lookMs;
      if (this.#users > 0) continue;
      const { Admin } = await import("@platformatic/kafka");
      const admin = new Admin(this.clientOptions(name, 1));
      admin.on("error", () => {});
      try {
        await admin.metadata({ topics: [] });
        if (this.#users === 0) this.report("connected");
        nextMs = lookAgainMs.first;
      } catch (error) {
        if (this.#users === 0) this.report("disconnected", `Kafka at ${this.brokers}: ${reasonOf(error)}`);
        pauseMs = nextMs;
        nextMs = Math.min(nextMs * 2, lookAgainMs.most);
      } finally {
        void admin.close().catch(() => {});
      }
    }
  }

  /** A look that is under way ends with its time-out at the latest, and reports nothing more. */
  close(): Promise<void> {
    this.#end.abort(new Error("closed"));
    return Promise.resolve();
  }
}

function hostOf(broker: string): string {
  return broker.replace(/^\w+:\/\//, "").replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}
