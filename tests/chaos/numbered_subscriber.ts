/**
 * Keeps every message of topics, through a persistent MQTT 5 session of an independent implementation (mqtt.js) that
 * outlives whoever publishes.
 * @module
 */
import type { MqttClient } from "mqtt";
import { persistentClient } from "./numbered_publisher.ts";

let subscribers = 0;

/** The user property that carries the id of a result. */
const idProperty = "weir-id";

export interface Arrival {
  readonly payload: string;
  /** The same for each repeat of a result; undefined when the publisher gave none. */
  readonly id: string | undefined;
}

export class NumberedSubscriber {
  readonly #client: MqttClient;
  readonly #arrivals = new Map<string, Arrival[]>();

  private constructor(client: MqttClient) {
    this.#client = client;
    client.on("message", (topic, payload, packet) => {
      const found = packet.properties?.userProperties?.[idProperty];
      const arrival = { payload: payload.toString(), id: Array.isArray(found) ? found.join() : found };
      this.#of(topic).push(arrival);
    });
  }

  /** Resolves when the broker has confirmed the subscription. */
  static async start(url: string, filter: string): Promise<NumberedSubscriber> {
    const client = await persistentClient(url, `subscriber-${subscribers++}`, {
      protocolVersion: 5,
      properties: { sessionExpiryInterval: 3600, receiveMaximum: 1000 },
    });
    const subscriber = new NumberedSubscriber(client);
    // Of QoS 2, mosquitto 2.0 lets thousands of waiting messages lie for half a minute. Repeats do no harm here.
    await client.subscribeAsync(filter, { qos: 1 });
    return subscriber;
  }

  /** What came on one topic, in order of arrival. */
  on(topic: string): readonly Arrival[] {
    return this.#of(topic);
  }

  #of(topic: string): Arrival[] {
    let list = this.#arrivals.get(topic);
    if (list === undefined) this.#arrivals.set(topic, list = []);
    return list;
  }

  async stop(): Promise<void> {
    await this.#client.endAsync(true);
  }
}
