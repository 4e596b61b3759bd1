/**
 * Reads topics of a broker. What one socket read brought is one batch; it is acknowledged to the broker when the engine
 * is done with it, and until then the client reads no further than its limits allow.
 *
 * Of QoS 2 in a kept session, positions make exactly once: they name the messages that were taken and that the broker
 * may send again. The broker is told that it may forget a message when a position without it is kept, so a batch may
 * come that is nothing but a position.
 * @module
 */
import type { InferOutput } from "valibot";
import type { Clock, Logger } from "../../src/connector/context.ts";
import type { PayloadBatch, Source, Struct } from "../../src/connector/source.ts";
import { setOwn } from "../../src/value/value.ts";
import type {
  InboundMessage,
  MessageBatch,
  MqttConnection,
  Qos,
  Subscription,
  TakenOptions,
  TakenStep,
} from "./client/connection.ts";
import type { sourceSettings } from "./mod.ts";
import { readPosition, writePosition } from "./position.ts";
import { topicFilters } from "./topic_filters.ts";

/** While some messages are still on their way through the rule, the release of others waits so long for company. */
const releaseWaitMs = 2;

export interface MqttSourceOptions {
  readonly connection: MqttConnection;
  /** The broker keeps the session while weir is away. */
  readonly keepsSession: boolean;
  /** The broker also says whether it has kept the session. */
  readonly tellsSession: boolean;
  /** As those of {@linkcode OpenContext}. */
  readonly keepsPosition: boolean;
  readonly position: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

export class MqttSource implements Source {
  readonly #subscription: Subscription;
  readonly #keepsSession: boolean;
  readonly #clock: Clock;
  /** Whether batches carry positions. */
  readonly #takes: boolean;
  /** Bounded by the client: it stops reading when too much is not acknowledged. */
  #waiting: MessageBatch[] = [];
  /** A position is to be given, with messages or without. */
  #due = false;
  #cancelDue: (() => void) | undefined;
  /** Both are set while a read waits. */
  #wake: (() => void) | undefined;
  #abort: ((reason: unknown) => void) | undefined;
  #signal: AbortSignal | undefined;

  constructor(settings: InferOutput<typeof sourceSettings>, options: MqttSourceOptions) {
    const { keepsSession, keepsPosition, tellsSession, position, log } = options;
    this.#keepsSession = keepsSession;
    this.#clock = options.clock;
    const kept = position === undefined ? undefined : readPosition(position);
    if (position !== undefined && kept === undefined) log.warn("A position cannot be read", { position });
    this.#takes = keepsPosition && keepsSession && tellsSession && settings.qos === 2;
    // A position that nobody goes on with would be taken for a good one later.
    if (keepsPosition && !this.#takes && kept !== undefined && kept.ids.length > 0) this.#due = true;
    const taken: TakenOptions = {
      session: kept?.session,
      ids: kept?.ids ?? [],
      onNews: (all) => this.#news(all),
    };
    this.#subscription = options.connection.subscribe({
      filters: topicFilters(settings.datasource).map((filter) => ({ filter, qos: settings.qos as Qos })),
      onBatch: (batch) => {
        this.#waiting.push(batch);
        this.#wake?.();
      },
      ...(this.#takes ? { taken } : {}),
    });
  }

  /** The broker has released messages: their positions go along with the next messages, or soon without any. */
  #news(all: boolean): void {
    if (this.#due) return;
    if (!all) {
      this.#cancelDue ??= this.#clock.after(releaseWaitMs, () => this.#news(true));
      return;
    }
    this.#due = true;
    this.#wake?.();
  }

  async read(signal: AbortSignal): Promise<PayloadBatch> {
    signal.throwIfAborted();
    if (this.#waiting.length === 0 && !this.#due) await this.#arrival(signal);
    const batches = this.#waiting;
    this.#waiting = [];
    const messages = batches.length === 1 ? batches[0]!.messages : batches.flatMap((batch) => batch.messages);
    const step = this.#takes ? this.#step(batches) : undefined;
    const position = step ?? (this.#due ? { session: undefined, ids: [] } : undefined);
    this.#due = false;
    return {
      kind: "payloads",
      // Messages say where their payloads stand, so that no view is made for each.
      payloads: messages,
      meta: (index) => metadataOf(messages[index]!),
      ...(position === undefined ? {} : { position: writePosition(position) }),
      ack: () => {
        for (const batch of batches) batch.ack();
        step?.kept();
      },
    };
  }

  #step(batches: readonly MessageBatch[]): TakenStep | undefined {
    this.#cancelDue?.();
    this.#cancelDue = undefined;
    return this.#subscription.take(batches);
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
    this.#cancelDue?.();
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
