/**
 * The client against a real mosquitto.
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after, before, test } from "node:test";
import { connectAsync } from "mqtt";
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

for (const protocolVersion of ["3.1", "3.1.1", "5"] as const) {
  test(`overlapping filters bring each message to each subscription once, MQTT ${protocolVersion}`, () =>
    withConnections(async (open) => {
      const connection = open({ protocolVersion });
      const root = `over${protocolVersion}`;
      const filters = [[`${root}/#`], [`${root}/+/b`], [`${root}/a/b`, `${root}/a/+`], [`${root}/+/b`]];
      const heard: string[][] = filters.map(() => []);
      const subscriptions = filters.map((list, i) =>
        connection.subscribe({
          filters: list.map((filter, j) => ({ filter, qos: ((i + j) % 3) as Qos })),
          onBatch(batch) {
            heard[i]!.push(...batch.messages.map(text));
            batch.ack();
          },
        })
      );
      await Promise.all(subscriptions.map((subscription) => subscription.subscribed()));
      await connection.publish(["1", "2", "3"].map((payload) => ({ topic: `${root}/a/b`, payload, qos: 1 })));
      await connection.publish([{ topic: `${root}/z`, payload: "end", qos: 1 }]);
      await eventually(() => heard[0]!.includes("end"));
      assert.deepEqual(heard, [["1", "2", "3", "end"], ["1", "2", "3"], ["1", "2", "3"], ["1", "2", "3"]]);
    }));
}

test("subscriptions share a filter; it is left with the last of them", () =>
  withConnections(async (open) => {
    const connection = open();
    const heard = [0, 0];
    const subscriptions = [0, 1].map((i) =>
      connection.subscribe({
        filters: [{ filter: "shared", qos: 1 }],
        onBatch(batch) {
          heard[i]! += batch.messages.length;
          batch.ack();
        },
      })
    );
    await Promise.all(subscriptions.map((subscription) => subscription.subscribed()));
    await connection.publish([{ topic: "shared", payload: "", qos: 1 }]);
    await eventually(() => heard[0] === 1 && heard[1] === 1);
    await subscriptions[0]!.close();
    await connection.publish([{ topic: "shared", payload: "", qos: 1 }]);
    await eventually(() => heard[1] === 2);
    await subscriptions[1]!.close();
    await eventually(() => /UNSUBSCRIBE[^]*shared/.test(broker.log));
    const { received } = connection.counters;
    await connection.publish([{ topic: "shared", payload: "", qos: 1 }]);
    assert.equal(connection.counters.received, received);
    assert.equal(heard[0], 1);
  }));

test("a shared subscription spreads messages over its members", () =>
  withConnections(async (open) => {
    const heard = [0, 0];
    const members = await Promise.all([0, 1].map(async (i) => {
      const subscription = open({ protocolVersion: "5" }).subscribe({
        filters: [{ filter: "$share/group/spread/+", qos: 1 }],
        onBatch(batch) {
          heard[i]! += batch.messages.length;
          batch.ack();
        },
      });
      await subscription.subscribed();
      return subscription;
    }));
    const publisher = open();
    await publisher.connected();
    await publisher.publish(Array.from({ length: 20 }, (_, i) => ({ topic: `spread/${i}`, payload: "", qos: 1 })));
    await eventually(() => heard[0]! + heard[1]! === 20);
    assert.ok(heard[0]! > 0 && heard[1]! > 0);
    assert.equal(members.length, 2);
  }));

test("mqtt.js and this client understand each other, MQTT 5 properties and retained messages included", () =>
  withConnections(async (open) => {
    const peer = await connectAsync(broker.url, { protocolVersion: 5 });
    try {
      const properties = { contentType: "text/plain", responseTopic: "re", correlationData: Buffer.from("id") };
      await peer.publishAsync("peer/kept", "kept", {
        qos: 1,
        retain: true,
        properties: { ...properties, userProperties: { a: ["1", "2"] } },
      });
      const connection = open({ protocolVersion: "5" });
      const heard: InboundMessage[] = [];
      const subscription = connection.subscribe({
        filters: [{ filter: "peer/+", qos: 2, retainHandling: 0, noLocal: true }],
        onBatch(batch) {
          heard.push(...batch.messages);
          batch.ack();
        },
      });
      await eventually(() => heard.length === 1);
      await subscription.subscribed();
      assert.equal(heard[0]!.retain, true);
      const got = heard[0]!.properties!;
      assert.deepEqual(got.userProperties, [["a", "1"], ["a", "2"]]);
      assert.equal(got.contentType, "text/plain");
      assert.equal(got.responseTopic, "re");
      assert.equal(Buffer.from(got.correlationData!).toString(), "id");
      const answers: string[] = [];
      peer.on("message", (_topic, payload, packet) => {
        answers.push(`${payload} ${packet.qos} ${JSON.stringify(packet.properties?.userProperties)}`);
      });
      await peer.subscribeAsync("peer/back", { qos: 2 });
      await connection.publish([
        { topic: "peer/back", payload: "back", qos: 2, properties: { userProperties: [["k", "v"]] } },
      ]);
      await eventually(() => answers.length === 1);
      assert.deepEqual(answers, [`back 2 {"k":"v"}`]);
      assert.equal(heard.length, 1, "noLocal keeps the own message away");
    } finally {
      await peer.endAsync(true);
    }
  }));
