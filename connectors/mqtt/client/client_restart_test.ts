/**
 * Brokers that go away, come back, or only pretend to be there.
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { connectAsync } from "mqtt";
import type { MqttConnection, MqttOptions, MqttStatus } from "./connection.ts";
import { openMqtt } from "./open_mqtt.ts";
import { eventually } from "../../../tests/eventually.ts";
import { type Mosquitto, type MosquittoOptions, startMosquitto } from "../../../tests/mosquitto.ts";

const RECONNECT = { min: 20, max: 100 };

async function withBroker(
  brokerOptions: MosquittoOptions,
  options: Partial<MqttOptions>,
  run: (broker: Mosquitto, client: MqttConnection) => Promise<void>,
): Promise<void> {
  const broker = await startMosquitto(brokerOptions);
  try {
    const client = openMqtt({ servers: [broker.url], reconnectMs: RECONNECT, ...options });
    try {
      await run(broker, client);
    } finally {
      await client.close();
    }
  } finally {
    await broker.stop();
  }
}

test("client subscribes again after the broker was killed", () => {
  const states: MqttStatus[] = [];
  return withBroker({}, { onStatus: (status) => states.push(status) }, async (broker, client) => {
    const heard: string[] = [];
    const subscription = client.subscribe({
      filters: [{ filter: "a/#", qos: 1 }],
      onBatch(batch) {
        heard.push(...batch.messages.map(({ topic }) => topic));
        batch.ack();
      },
    });
    await subscription.subscribed();
    await client.publish([{ topic: "a/1", payload: "", qos: 1 }]);
    await eventually(() => heard.length === 1);
    await broker.kill();
    await eventually(() => client.status.state === "disconnected");
    await broker.start();
    await subscription.subscribed();
    await client.publish([{ topic: "a/2", payload: "", qos: 1 }]);
    await eventually(() => heard.length === 2);
    assert.equal(states.at(-1)!.state, "connected");
    assert.equal(states.at(-1)!.sessionPresent, false);
    const lost = states.find(({ state }) => state === "disconnected")!;
    assert.match(lost.error!.message, /connection/i);
    assert.ok(lost.retryAt! >= lost.since);
  });
});

for (const protocolVersion of ["3.1.1", "5"] as const) {
  test(`kept session loses nothing of QoS 1 over ten restarts, MQTT ${protocolVersion}`, () => {
    const options = {
      protocolVersion,
      clientId: "keeper",
      session: "keep",
      sessionExpirySeconds: 3600,
    } as const;
    const brokerOptions = { persistence: true, lines: ["max_queued_messages 0"] };
    return withBroker(brokerOptions, options, async (broker, client) => {
      const heard = new Set<number>();
      const subscription = client.subscribe({
        filters: [{ filter: "n", qos: 1 }],
        onBatch(batch) {
          for (const { payload } of batch.messages) heard.add(Number(Buffer.from(payload).toString()));
          // Late, as the engine is when it writes to its store first.
          setTimeout(() => batch.ack(), 3);
        },
      });
      await subscription.subscribed();
      // An independent client. What it cannot send while the broker is away it gives back, and then it is said again.
      const publisher = await connectAsync(broker.url, {
        clientId: "publisher",
        clean: false,
        reconnectPeriod: 20,
        protocolVersion: 4,
      });
      let sent = 0;
      let acknowledged = 0;
      const say = (n: number): void => {
        publisher.publish("n", `${n}`, { qos: 1 }, (error) => {
          if (error) setTimeout(() => say(n), 5);
          else acknowledged++;
        });
      };
      const timer = setInterval(() => {
        for (let i = 0; i < 5; i++) say(sent++);
      }, 5);
      try {
        for (let round = 0; round < 10; round++) {
          const before = heard.size;
          await eventually(() => heard.size > before + 20);
          await broker.halt();
          await broker.start();
        }
        clearInterval(timer);
        await eventually(() => acknowledged === sent);
        await eventually(() => heard.size === sent);
        assert.ok(sent > 200);
        assert.ok(client.counters.connects >= 11);
      } finally {
        clearInterval(timer);
        await publisher.endAsync(true);
      }
    });
  });
}

test("client publishes over a restart: every call ends, every acknowledged message arrives", () =>
  withBroker(
    { persistence: true, lines: ["max_queued_messages 0"] },
    { clientId: "sink", session: "keep" },
    async (broker, client) => {
      const heard = new Set<string>();
      const listener = await connectAsync(broker.url, { clientId: "listener", clean: false, reconnectPeriod: 20 });
      listener.on("message", (_topic, payload) => void heard.add(payload.toString()));
      await listener.subscribeAsync("out", { qos: 1 });
      try {
        let next = 0;
        let retries = 0;
        const restarts = (async () => {
          for (let round = 0; round < 3; round++) {
            const goal = next + 20;
            await eventually(() => next > goal);
            await broker.halt();
            await broker.start();
          }
        })();
        let restarting = true;
        void restarts.finally(() => restarting = false);
        while (restarting) {
          try {
            await client.publish([0, 1, 2].map((i) => ({ topic: "out", payload: `${next}.${i}`, qos: 1 })));
            next++;
          } catch (error) {
            assert.equal((error as { retryable?: boolean }).retryable, true, String(error));
            retries++;
            await client.connected();
          }
        }
        await restarts;
        await eventually(() => heard.size >= next * 3);
        for (let i = 0; i < next; i++) for (const part of [0, 1, 2]) assert.ok(heard.has(`${i}.${part}`));
        assert.ok(next > 60, `${next} calls, ${retries} retries`);
      } finally {
        await listener.endAsync(true);
      }
    },
  ));

test("client notices a broker that has fallen silent, and comes back when it speaks again", () =>
  withBroker({}, { keepAliveSeconds: 1, connectTimeoutMs: 500 }, async (broker, client) => {
    await client.connected();
    broker.freeze();
    const frozen = Date.now();
    await eventually(() => client.status.state === "disconnected");
    assert.match(client.status.error!.message, /silent/);
    assert.ok(Date.now() - frozen < 5000);
    await eventually(() => /within 500 ms/.test(client.status.error?.message ?? ""));
    broker.thaw();
    await client.connected();
  }));

test("a client that reads no further, as nobody takes its messages, notices all the same that its broker is gone", () =>
  withBroker({}, { heldBytesMax: 1000 }, async (broker, client) => {
    const batches: { ack(): void }[] = [];
    const subscription = client.subscribe({
      filters: [{ filter: "a", qos: 0 }],
      onBatch: (batch) => void batches.push(batch),
    });
    await subscription.subscribed();
    const payload = "x".repeat(500);
    await client.publish(Array.from({ length: 20 }, () => ({ topic: "a", payload, qos: 0 as const })));
    await eventually(() => client.counters.paused);
    await broker.kill();
    await eventually(() => client.status.state === "disconnected");
    await broker.start();
    await client.connected();
    for (const batch of batches.splice(0)) batch.ack();
    await subscription.subscribed();
    await client.publish([{ topic: "a", payload: "again", qos: 0 }]);
    await eventually(() => batches.length > 0);
  }));

test("pings keep an idle connection", () =>
  withBroker({}, { keepAliveSeconds: 1 }, async (broker, client) => {
    await client.connected();
    await eventually(() => broker.log.split("Received PINGREQ").length > 4);
    assert.equal(client.counters.connects, 1);
  }));

test("the will is published for a client that is cut off, and not for one that closes", () =>
  withBroker({}, {}, async (broker, client) => {
    const heard: string[] = [];
    const subscription = client.subscribe({
      filters: [{ filter: "will/+", qos: 1 }],
      onBatch(batch) {
        heard.push(...batch.messages.map(({ topic, payload }) => `${topic} ${Buffer.from(payload)}`));
        batch.ack();
      },
    });
    await subscription.subscribed();
    const dying = { servers: [broker.url], reconnectMs: { min: 60_000, max: 60_000 } };
    const polite = openMqtt({ ...dying, will: { topic: "will/polite", payload: "gone", qos: 1 } });
    const taken = openMqtt({ ...dying, clientId: "taken", will: { topic: "will/taken", payload: "gone", qos: 1 } });
    await Promise.all([polite.connected(), taken.connected()]);
    await polite.close();
    const thief = openMqtt({ ...dying, clientId: "taken" });
    try {
      await eventually(() => heard.length > 0);
      assert.deepEqual(heard, ["will/taken gone"]);
    } finally {
      await Promise.all([taken.close(), thief.close()]);
    }
  }));
