/**
 * The client against a real mosquitto.
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after, before, test } from "node:test";
import type { InboundMessage, MqttConnection, MqttOptions, ProtocolVersion, Qos } from "./connection.ts";
import { openMqtt } from "./open_mqtt.ts";
import { eventually } from "../../../tests/eventually.ts";
import { type Mosquitto, startMosquitto } from "../../../tests/mosquitto.ts";

let broker: Mosquitto;
before(async () => {
  // mosquitto 2.0.11 stops delivering QoS 2 once its window (20 by default) was full while the same client published.
  broker = await startMosquitto({ lines: ["max_inflight_messages 2000", "max_queued_messages 0"] });
});
after(async () => await broker?.stop());

/** Runs with connections that are closed whatever happens. */
async function withConnections(
  run: (open: (options?: Partial<MqttOptions>) => MqttConnection) => Promise<void>,
): Promise<void> {
  const opened: MqttConnection[] = [];
  try {
    await run((options) => {
      const connection = openMqtt({ servers: [broker.url], ...options });
      opened.push(connection);
      return connection;
    });
  } finally {
    await Promise.all(opened.map((connection) => connection.close()));
  }
}

const text = (message: InboundMessage): string => Buffer.from(message.payload).toString();

for (const protocolVersion of ["3.1", "3.1.1", "5"] as ProtocolVersion[]) {
  for (const qos of [0, 1, 2] as Qos[]) {
    test(`publish() reaches onBatch(), MQTT ${protocolVersion}, QoS ${qos}`, () =>
      withConnections(async (open) => {
        const connection = open({ protocolVersion });
        const got: InboundMessage[] = [];
        const subscription = connection.subscribe({
          filters: [{ filter: `both/${protocolVersion}/${qos}/+`, qos }],
          onBatch(batch) {
            got.push(...batch.messages);
            batch.ack();
          },
        });
        await subscription.subscribed();
        const messages = Array.from({ length: 300 }, (_, i) => ({
          topic: `both/${protocolVersion}/${qos}/${i % 3}`,
          payload: i % 2 === 0 ? `message ${i}` : Buffer.from(`message ${i}`),
          qos,
          ...(protocolVersion === "5" ? { properties: { userProperties: [["n", `${i}`]] as [string, string][] } } : {}),
        }));
        await connection.publish(messages);
        await eventually(() => got.length === messages.length);
        assert.deepEqual(got.map(text), messages.map((_, i) => `message ${i}`));
        assert.ok(got.every((message) => message.qos === qos && !message.dup && !message.retain));
        if (protocolVersion === "5") assert.deepEqual(got[7]!.properties?.userProperties, [["n", "7"]]);
        await eventually(() => connection.counters.inflight === 0 && connection.counters.heldMessages === 0);
      }));
  }
}
