/**
 * Gives results to the clients of a path.
 * @module
 */
import type { InferOutput } from "valibot";
import { Disconnected, ItemsFailed } from "../../src/connector/errors.ts";
import type { PathLease } from "../../src/connector/served_paths.ts";
import type { Payload, PayloadSink } from "../../src/connector/sink.ts";
import type { EventEndpoint } from "./endpoint.ts";
import type { sinkSettings } from "./mod.ts";

export class SseSink implements PayloadSink {
  readonly #settings: InferOutput<typeof sinkSettings>;
  readonly #lease: PathLease<EventEndpoint>;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });

  constructor(settings: InferOutput<typeof sinkSettings>, lease: PathLease<EventEndpoint>) {
    this.#settings = settings;
    this.#lease = lease;
  }

  async write(batch: readonly Payload[], signal: AbortSignal, ids?: readonly string[]): Promise<void> {
    signal.throwIfAborted();
    if (batch.length === 0) return;
    const { endpoint } = this.#lease;
    const { noClients = ids === undefined ? "drop" : "wait", sendTimeout } = this.#settings;
    if (endpoint.clients === 0 && noClients === "wait") await endpoint.connected(signal);
    const failed = new Map<number, string>();
    const texts = new Map<number, string>();
    for (const [index, payload] of batch.entries()) {
      const data = this.#textOf(payload);
      if (data !== undefined) texts.set(index, endpoint.keep(data, ids?.[index]));
      else failed.set(index, "the message is no text, and event streams carry nothing else");
    }
    const isTaken = texts.size === 0 || await endpoint.send([...texts.values()].join(""), sendTimeout, signal);
    if (!isTaken && noClients === "wait") throw new Disconnected(`no client of ${endpoint.path} has taken the events`);
    if (!isTaken) { for (const index of texts.keys()) failed.set(index, `no client is connected to ${endpoint.path}`); }
    if (failed.size > 0) throw new ItemsFailed(failed);
  }

  #textOf(payload: Payload): string | undefined {
    if (typeof payload === "string") return payload;
    try {
      return this.#decoder.decode(payload);
    } catch {
      return undefined;
    }
  }

  close(): Promise<void> {
    this.#lease.release();
    return Promise.resolve();
  }
}
