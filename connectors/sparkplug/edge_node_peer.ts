/**
 * For tests: an edge node with a device, whose payloads protobufjs makes. It publishes through the client of this project,
 * and hears commands.
 * @module
 */
import type { MqttConnection } from "../mqtt/client/connection.ts";
import { openMqtt } from "../mqtt/client/open_mqtt.ts";
import { dataTypes } from "./payload/data_type.ts";
import { decodeBySchema, encodeBySchema, type SchemaMetric } from "./payload/schema_encoder.ts";

const { Double, UInt64, Boolean: Flag } = dataTypes;

export class EdgeNodePeer {
  /** How often it was asked for its birth. */
  rebirths = 0;
  /** What its device measures. */
  temperature = 20;
  readonly #connection: MqttConnection;
  readonly #bdSeq: number;
  #seq = 0;

  constructor(url: string, bdSeq = 0, reconnectMs = { min: 10, max: 50 }) {
    this.#bdSeq = bdSeq;
    this.#connection = openMqtt({
      servers: [url],
      clientId: `node-${bdSeq}`,
      reconnectMs,
      will: { topic: "spBv1.0/plant/NDEATH/press", payload: encodeBySchema(this.#death()), qos: 1 },
    });
    this.#connection.subscribe({
      filters: [{ filter: "spBv1.0/plant/NCMD/press", qos: 1 }],
      onBatch: (batch) => {
        for (const { payload } of batch.messages) {
          const { metrics } = decodeBySchema(payload) as { metrics: readonly SchemaMetric[] };
          if (metrics.some(({ name, booleanValue }) => name === "Node Control/Rebirth" && booleanValue === true)) {
            this.rebirths++;
            void this.bear().catch(() => {});
          }
        }
        batch.ack();
      },
    });
  }

  connected(): Promise<void> {
    return this.#connection.connected(AbortSignal.timeout(20_000));
  }

  #death() {
    return { timestamp: Date.now(), metrics: [{ name: "bdSeq", datatype: UInt64, longValue: this.#bdSeq }] };
  }

  async bear(): Promise<void> {
    this.#seq = -1;
    await this.#publish("NBIRTH/press", [
      { name: "bdSeq", datatype: UInt64, longValue: this.#bdSeq },
      { name: "Node Control/Rebirth", datatype: Flag, booleanValue: false },
    ]);
    await this.#publish("DBIRTH/press/oven", [
      { name: "temperature", alias: 1, datatype: Double, doubleValue: this.temperature },
      { name: "Inputs/door", alias: 2, datatype: Flag, booleanValue: false },
    ]);
  }

  /** Publishes temperatures by their alias, a message each; `skip` numbers get lost before. */
  async measure(temperatures: readonly number[], skip = 0): Promise<void> {
    this.#seq += skip;
    for (const value of temperatures) {
      this.temperature = value;
      await this.#publish("DDATA/press/oven", [{ alias: 1, doubleValue: value }]);
    }
  }

  #publish(tail: string, metrics: readonly SchemaMetric[]): Promise<void> {
    this.#seq = this.#seq + 1 & 255;
    const [type, ...who] = tail.split("/");
    const payload = encodeBySchema({ timestamp: Date.now(), seq: this.#seq, metrics });
    return this.#connection.publish([{ topic: ["spBv1.0/plant", type, ...who].join("/"), payload }]);
  }

  /** Without a word to the broker, which publishes the will: as after a loss of power. */
  async die(): Promise<void> {
    await this.#connection.publish([{
      topic: "spBv1.0/plant/NDEATH/press",
      payload: encodeBySchema(this.#death()),
      qos: 1,
    }]);
    await this.close();
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
