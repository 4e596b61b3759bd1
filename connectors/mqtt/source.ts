/**
 * Reads topics of a broker. What one socket read brought is one batch; it is acknowledged to the broker when the engine
 * is done with it, and until then the client reads no further than its limits allow.
 * @module
 */
import type { InferOutput } from "valibot";
import type { PayloadBatch, Source, Struct } from "../../src/connector/source.ts";
import { setOwn } from "../../src/value/value.ts";
import type { InboundMessage, MessageBatch, MqttConnection, Qos, Subscription } from "./client/connection.ts";
import type { sourceSettings } from "./mod.ts";
import { topicFilters } from "./topic_filters.ts";

export class MqttSource implements Source {
  readonly #subscription: Subscription;
  readonly #keepsSession: boolean;
  /** Bounded by the client: it stops reading when too much is not acknowledged. */
  #waiting: MessageBatch[] = [];
  /** Both are set while a read waits. */
  #wake: (() => void) | undefined;
  #abort: ((reason: unknown) => void) | undefined;
  #signal: AbortSignal | undefined;

  constructor(settings: InferOutput<typeof sourceSettings>, connection: MqttConnection, keepsSession: boolean) {
    this.#keepsSession = keepsSession;
    this.#subscription = connection.subscribe({
      filters: topicFilters(settings.datasource).map((filter) => ({ filter, qos: settings.qos as Qos })),
      onBatch: (batch) => {
        this.#waiting.push(batch);
        this.#wake?.();
      },
    });
  }

  async read(signal: AbortSignal): Promise<PayloadBatch> {
    signal.throwIfAborted();
    if (this.#waiting.length === 0) await this.#arrival(signal);
    const batches = this.#waiting;
    this.#waiting = [];
    const messages = batches.length === 1 ? batches[0]!.messages : batches.flatMap((batch) => batch.messages);
    return {
      kind: "payloads",
      // Messages say where their payloads stand, so that no view is made for each.
      payloads: messages,
      meta: (index) => metadataOf(messages[index]!),
      ack: () => {
        for (const batch of batches) batch.ack();
      },
    };
  }

  #arrival(signal: AbortSignal): Promise<void> {
    // One listener for all reads with a signal: adding and removing one for each read costs more than the read.
    if (signal !== this.#signal) {
      this.#signal = signal;
      signal.addEventListener("abort", () => this.#abort?.(signal.reason), { once: true });
    }
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => {
        this.#wake = undefined;
        this.#abort = undefined;
        done();
      };
      this.#wake = () => settle(resolve);
      this.#abort = (reason) => settle(() => reject(reason));
    });
  }

  async close(): Promise<void> {
    // What the broker keeps for this client must go on being kept when weir or the rule comes back.
    await this.#subscription.close(this.#keepsSession ? "detach" : "unsubscribe");
  }
}

function metadataOf(message: InboundMessage): Struct {
  const meta: Struct = { topic: message.topic, qos: BigInt(message.qos), messageId: BigInt(message.packetId) };
  const properties = message.properties?.userProperties;
  if (properties !== undefined) {
    const own: Struct = {};
    for (const [name, value] of properties) setOwn(own, name, value);
    meta.properties = own;
  }
  return meta;
}
