/**
 * Sends results; each batch is confirmed by the other side before the next goes out.
 * @module
 */
import type { InferOutput } from "valibot";
import { ItemsFailed } from "../../src/connector/errors.ts";
import type { Payload, PayloadSink } from "../../src/connector/sink.ts";
import type { ChannelLease } from "./channel.ts";
import type { sinkSettings } from "./mod.ts";

export class WebSocketSink implements PayloadSink {
  readonly #settings: InferOutput<typeof sinkSettings>;
  readonly #lease: ChannelLease;

  constructor(settings: InferOutput<typeof sinkSettings>, lease: ChannelLease) {
    this.#settings = settings;
    this.#lease = lease;
  }

  async write(batch: readonly Payload[], signal: AbortSignal, ids?: readonly string[]): Promise<void> {
    signal.throwIfAborted();
    if (batch.length === 0) return;
    const { channel } = this.#lease;
    const { noClients = ids === undefined ? "drop" : "wait", sendTimeout } = this.#settings;
    if (channel.openLinks === 0) {
      if (channel.isServer && noClients === "drop") {
        throw new ItemsFailed(new Map(batch.map((_, index) => [index, `no client is connected to ${channel.name}`])));
      }
      await channel.connected(signal);
    }
    await channel.send(batch, sendTimeout, signal);
  }

  close(): Promise<void> {
    this.#lease.release();
    return Promise.resolve();
  }
}
