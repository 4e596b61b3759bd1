/**
 * Publishes results. A batch is one call of the client: one buffer, one write to the socket.
 * @module
 */
import type { InferOutput } from "valibot";
import { ItemsFailed, RetryLater } from "../../src/connector/errors.ts";
import type { Payload, PayloadSink } from "../../src/connector/sink.ts";
import { type MqttConnection, MqttError, type PublishMessage, type Qos } from "./client/connection.ts";
import type { sinkSettings } from "./mod.ts";
import { isPublishTopic, wantedTopic } from "./publish_topic.ts";

/** Wait before a publish that failed for a passing reason is repeated; a lost connection is waited for instead. */
const retryMs = 200;

/** The user property with the id by which receivers tell repeats of a message. */
const idProperty = "weir-id";
/** The user property with the trace of a message, as W3C has it. */
const traceProperty = "traceparent";

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

  async write(
    batch: readonly Payload[],
    signal: AbortSignal,
    ids?: readonly string[],
    settings?: readonly Partial<InferOutput<typeof sinkSettings>>[],
    traceparents?: readonly (string | undefined)[],
  ): Promise<void> {
    // Connected or not is not the sink's trouble: it waits, and the engine holds back the rule.
    if (this.#connection.status.state !== "connected") await this.#connection.connected(signal);
    const messages = this.#hasUserProperties
      ? this.#messages(batch, ids, settings, traceparents)
      : this.#messages(batch, undefined, settings);
    const refused = settings === undefined ? undefined : refusedTopics(messages);
    const kept = refused === undefined ? undefined : [...messages.keys()].filter((index) => !refused.has(index));
    try {
      await this.#connection.publish(kept === undefined ? messages : kept.map((index) => messages[index]!), signal);
    } catch (error) {
      if (!(error instanceof MqttError)) throw error;
      if (error.failures !== undefined) {
        const failed = error.failures.map(({ index, message }) => [kept?.[index] ?? index, message] as const);
        throw new ItemsFailed(new Map([...refused ?? [], ...failed]));
      }
      if (error.retryable) throw new RetryLater(error.message, retryMs, { cause: error });
      throw error;
    }
    if (refused !== undefined) throw new ItemsFailed(refused);
  }

  #messages(
    batch: readonly Payload[],
    ids: readonly string[] | undefined,
    settings: readonly Partial<InferOutput<typeof sinkSettings>>[] | undefined,
    traceparents?: readonly (string | undefined)[],
  ): PublishMessage[] {
    const { topic, qos, retain, properties } = this.#message;
    if (ids !== undefined || settings !== undefined || traceparents !== undefined) {
      return batch.map((payload, index): PublishMessage => {
        const own = settings?.[index];
        const named = own?.properties === undefined ? this.#userProperties : Object.entries(own.properties);
        const userProperties: [string, string][] = ids === undefined
          ? [...named]
          : [...named, [idProperty, ids[index]!]];
        const traceparent = traceparents?.[index];
        if (traceparent !== undefined) userProperties.push([traceProperty, traceparent]);
        return {
          topic: own?.topic ?? topic,
          payload,
          qos,
          retain,
          ...(userProperties.length === 0 ? {} : { properties: { userProperties } }),
        };
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

/** Messages whose templates made a topic that nothing can be published on: index → why. Undefined when there is none. */
function refusedTopics(messages: readonly PublishMessage[]): Map<number, string> | undefined {
  const refused = new Map<number, string>();
  for (const [index, { topic }] of messages.entries()) {
    if (!isPublishTopic(topic)) {
      refused.set(index, `Cannot publish on the topic ${JSON.stringify(topic)}: wanted ${wantedTopic}`);
    }
  }
  return refused.size === 0 ? undefined : refused;
}
