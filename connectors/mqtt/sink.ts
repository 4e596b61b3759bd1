/**
 * Publishes results. A batch is one call of the client: one buffer, one write to the socket.
 * @module
 */
import type { InferOutput } from "valibot";
import { ItemsFailed, RetryLater } from "../../src/connector/errors.ts";
import type { Payload, PayloadSink } from "../../src/connector/sink.ts";
import { type MqttConnection, MqttError, type PublishMessage, type Qos } from "./client/connection.ts";
import type { sinkSettings } from "./mod.ts";

/** Wait before a publish that failed for a passing reason is repeated; a lost connection is waited for instead. */
const retryMs = 200;

/** The user property with the id by which receivers tell repeats of a message. */
const idProperty = "weir-id";

export class MqttSink implements PayloadSink {
  readonly #connection: MqttConnection;
  readonly #hasUserProperties: boolean;
  readonly #userProperties: [name: string, value: string][];
  readonly #message: Omit<PublishMessage, "payload">;

  /** @param hasUserProperties whether messages can carry the ids that `write` gets: MQTT 5 */
  constructor(settings: InferOutput<typeof sinkSettings>, connection: MqttConnection, hasUserProperties: boolean) {
    this.#connection = connection;
    this.#hasUserProperties = hasUserProperties;
    this.#userProperties = Object.entries(settings.properties);
    this.#message = {
      topic: settings.topic,
      qos: settings.qos as Qos,
      retain: settings.retained,
      ...(this.#userProperties.length === 0 ? {} : { properties: { userProperties: this.#userProperties } }),
    };
  }

  async write(batch: readonly Payload[], signal: AbortSignal, ids?: readonly string[]): Promise<void> {
    // Connected or not is not the sink's trouble: it waits, and the engine holds back the rule.
    if (this.#connection.status.state !== "connected") await this.#connection.connected(signal);
    try {
      await this.#connection.publish(this.#messages(batch, this.#hasUserProperties ? ids : undefined), signal);
    } catch (error) {
      if (!(error instanceof MqttError)) throw error;
      if (error.failures !== undefined) {
        throw new ItemsFailed(new Map(error.failures.map((failure) => [failure.index, failure.message])));
      }
      if (error.retryable) throw new RetryLater(error.message, retryMs, { cause: error });
      throw error;
    }
  }

  #messages(batch: readonly Payload[], ids: readonly string[] | undefined): PublishMessage[] {
    const { topic, qos, retain, properties } = this.#message;
    if (ids !== undefined) {
      return batch.map((payload, index): PublishMessage => {
        const userProperties: [string, string][] = [...this.#userProperties, [idProperty, ids[index]!]];
        return { topic, payload, qos, retain, properties: { userProperties } };
      });
    }
    if (properties === undefined) return batch.map((payload): PublishMessage => ({ topic, payload, qos, retain }));
    return batch.map((payload): PublishMessage => ({ topic, payload, qos, retain, properties }));
  }

  /** The connection belongs to the engine. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}
