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

export class MqttSink implements PayloadSink {
  readonly #connection: MqttConnection;
  readonly #message: Omit<PublishMessage, "payload">;

  constructor(settings: InferOutput<typeof sinkSettings>, connection: MqttConnection) {
    this.#connection = connection;
    const userProperties = Object.entries(settings.properties);
    this.#message = {
      topic: settings.topic,
      qos: settings.qos as Qos,
      retain: settings.retained,
      ...(userProperties.length === 0 ? {} : { properties: { userProperties } }),
    };
  }

  async write(batch: readonly Payload[], signal: AbortSignal): Promise<void> {
    // Connected or not is not the sink's trouble: it waits, and the engine holds back the rule.
    if (this.#connection.status.state !== "connected") await this.#connection.connected(signal);
    const { topic, qos, retain, properties } = this.#message;
    const messages = batch.map((payload): PublishMessage =>
      properties === undefined ? { topic, payload, qos, retain } : { topic, payload, qos, retain, properties }
    );
    try {
      await this.#connection.publish(messages, signal);
    } catch (error) {
      if (!(error instanceof MqttError)) throw error;
      if (error.failures !== undefined) {
        throw new ItemsFailed(new Map(error.failures.map((failure) => [failure.index, failure.message])));
      }
      if (error.retryable) throw new RetryLater(error.message, retryMs, { cause: error });
      throw error;
    }
  }

  /** The connection belongs to the engine. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}
