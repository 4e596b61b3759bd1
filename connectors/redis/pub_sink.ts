/**
 * Publishes messages on channels, a batch in one pipeline.
 * @module
 */
import type { InferOutput } from "valibot";
import { ItemsFailed } from "../../src/connector/errors.ts";
import type { Payload, PayloadSink } from "../../src/connector/sink.ts";
import type { Command, RedisClient } from "./client.ts";
import type { pubSettings } from "./redis_pub.ts";

type PubSettings = InferOutput<typeof pubSettings>;

export class RedisPubSink implements PayloadSink {
  readonly #client: RedisClient;
  readonly #channel: string;

  constructor(settings: PubSettings, client: RedisClient) {
    this.#client = client;
    this.#channel = settings.channel;
  }

  async write(
    batch: readonly Payload[],
    signal: AbortSignal,
    _ids?: readonly string[],
    settings?: readonly Partial<PubSettings>[],
  ): Promise<void> {
    signal.throwIfAborted();
    const failed = new Map<number, string>();
    const commands: Command[] = [];
    const items: number[] = [];
    for (const [index, payload] of batch.entries()) {
      const channel = String(settings?.[index]?.channel ?? this.#channel);
      if (channel === "") failed.set(index, "The channel is empty");
      else {
        commands.push(["publish", channel, payload]);
        items.push(index);
      }
    }
    const replies = await this.#client.run(commands, signal);
    for (const [i, reply] of replies.entries()) if (reply instanceof Error) failed.set(items[i]!, reply.message);
    if (failed.size > 0) throw new ItemsFailed(failed);
  }

  close(): Promise<void> {
    this.#client.close();
    return Promise.resolve();
  }
}
