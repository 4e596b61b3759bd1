/**
 * Reads the messages of channels.
 *
 * Pub/sub has no acknowledgement, so what can be held back is the socket: while nobody reads and enough waits, no more
 * is taken from it. The server then keeps what comes up to its `client-output-buffer-limit` for pub/sub, and closes the
 * connection beyond; that is a loss which the source tells as one.
 * @module
 */
import type { InferOutput } from "valibot";
import { Bell } from "../../src/connector/bell.ts";
import type { Clock, Logger } from "../../src/connector/context.ts";
import type { PayloadBatch, Source } from "../../src/connector/source.ts";
import type { RedisClient } from "./client.ts";
import type { subSettings } from "./redis_sub.ts";

/** Silence of a subscribed connection after which it is asked whether it lives. */
const probeMs = 15_000;
/** What may wait besides `bufferLength`, however few messages it is. */
const bytesMax = 4 * 1024 * 1024;

const utf8 = new TextDecoder();

export class RedisSubSource implements Source {
  readonly #client: RedisClient;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #messagesMax: number;
  #channels: Uint8Array[] = [];
  #payloads: Uint8Array[] = [];
  #bytes = 0;
  #paused = false;
  #heard = true;
  #lost: unknown;
  readonly #bell = new Bell();
  #cancelProbe: () => void;

  private constructor(client: RedisClient, messagesMax: number, clock: Clock, log: Logger) {
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
    this.#messagesMax = messagesMax;
    this.#cancelProbe = this.#probeLater();
    client.lost.catch((error) => {
      this.#lost = error;
      this.#bell.ring();
    });
  }

  /** Subscribes with a client, which belongs to the source from then on. */
  static async open(
    settings: InferOutput<typeof subSettings>,
    channels: readonly string[],
    client: RedisClient,
    { clock, log }: { readonly clock: Clock; readonly log: Logger },
  ): Promise<RedisSubSource> {
    const source = new RedisSubSource(client, settings.bufferLength, clock, log);
    const isPattern = (channel: string) => /[*?[]/.test(channel);
    try {
      await client.subscribe(
        { channels: channels.filter((each) => !isPattern(each)), patterns: channels.filter(isPattern) },
        (channel, payload) => source.#push(channel, payload),
      );
    } catch (error) {
      await source.close();
      throw error;
    }
    return source;
  }

  #push(channel: Uint8Array, payload: Uint8Array): void {
    this.#heard = true;
    this.#channels.push(channel);
    this.#payloads.push(payload);
    this.#bytes += payload.length;
    if (!this.#paused && (this.#payloads.length >= this.#messagesMax || this.#bytes >= bytesMax)) {
      this.#paused = true;
      this.#client.pause();
    }
    this.#bell.ring();
  }

  #probeLater(): () => void {
    return this.#clock.after(probeMs, () => {
      // While it is held back, an answer would not be seen.
      if (!this.#heard && !this.#paused) void this.#client.ping();
      this.#heard = false;
      this.#cancelProbe = this.#probeLater();
    });
  }

  async read(signal: AbortSignal): Promise<PayloadBatch> {
    signal.throwIfAborted();
    while (this.#payloads.length === 0) {
      // What came before the loss is still handed out.
      if (this.#lost !== undefined) throw this.#lost;
      await this.#bell.wait(signal);
    }
    const channels = this.#channels;
    const payloads = this.#payloads;
    this.#channels = [];
    this.#payloads = [];
    this.#bytes = 0;
    if (this.#paused) {
      this.#paused = false;
      this.#heard = true;
      if (this.#lost === undefined) this.#client.resume();
      this.#log.debug("A Redis subscription was held back", { messages: payloads.length });
    }
    return { kind: "payloads", payloads, meta: (index) => ({ channel: utf8.decode(channels[index]) }) };
  }

  close(): Promise<void> {
    this.#cancelProbe();
    this.#client.close();
    return Promise.resolve();
  }
}
