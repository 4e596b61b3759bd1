/**
 * Much at once, and large things.
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after, before, test } from "node:test";
import { connectAsync } from "mqtt";
import type { InboundMessage, MessageBatch } from "./connection.ts";
import { openMqtt } from "./open_mqtt.ts";
import { eventually } from "../../../tests/eventually.ts";
import { type Mosquitto, startMosquitto } from "../../../tests/mosquitto.ts";

let broker: Mosquitto;
before(async () => {
  const lines = ["max_inflight_messages 1000", "max_queued_messages 0", "log_type none"];
  broker = await startMosquitto({ lines });
});
after(async () => await broker?.stop());

for (const [qos, total] of [[0, 100_000], [1, 20_000]] as const) {
  test(`${total} messages of QoS ${qos} go through the broker and back, none lost, in order`, async () => {
    const client = openMqtt({ servers: [broker.url], protocolVersion: "5" });
    try {
      let count = 0;
      let batches = 0;
      const subscription = client.subscribe({
        filters: [{ filter: `load/${qos}/#`, qos }],
        onBatch(batch) {
          batches++;
          for (const { payload } of batch.messages) {
            assert.equal(Buffer.from(payload).readUInt32BE(), count);
            count++;
          }
          batch.ack();
        },
      });
      await subscription.subscribed();
      for (let start = 0; start < total; start += 500) {
        const messages = Array.from({ length: 500 }, (_, i) => {
          const payload = Buffer.alloc(80, "x");
          payload.writeUInt32BE(start + i);
          return { topic: `load/${qos}/${i % 10}`, payload, qos };
        });
        await client.publish(messages);
      }
      await eventually(() => count === total, 30_000);
      // mosquitto writes acknowledged messages one by one.
      if (qos === 0) assert.ok(batches < total / 2, `${batches} batches`);
      assert.equal(client.counters.droppedOverLimit, 0);
    } finally {
      await client.close();
    }
  });
}

test("a message of 10 MB goes both ways, with mqtt.js as the other side", async () => {
  const client = openMqtt({ servers: [broker.url] });
  const peer = await connectAsync(broker.url);
  try {
    const large = Buffer.alloc(10_000_000);
    for (let i = 0; i < large.length; i++) large[i] = (i * 31) & 255;
    let heard: InboundMessage | undefined;
    const subscription = client.subscribe({
      filters: [{ filter: "large/in", qos: 1 }],
      onBatch(batch) {
        heard = batch.messages[0];
        batch.ack();
      },
    });
    let peerHeard: Buffer | undefined;
    peer.on("message", (_topic, payload) => peerHeard = payload);
    await Promise.all([subscription.subscribed(), peer.subscribeAsync("large/out", { qos: 1 })]);
    await Promise.all([
      peer.publishAsync("large/in", large, { qos: 1 }),
      client.publish([{ topic: "large/out", payload: large, qos: 1 }]),
    ]);
    await eventually(() => heard !== undefined && peerHeard !== undefined);
    assert.ok(large.equals(heard!.payload));
    assert.ok(large.equals(peerHeard!));
  } finally {
    await client.close();
    await peer.endAsync(true);
  }
});

test("payloads stay as they were for as long as they are held", async () => {
  const client = openMqtt({ servers: [broker.url], heldMessagesMax: 1e6, heldBytesMax: 1e9 });
  try {
    const held: MessageBatch[] = [];
    let count = 0;
    const subscription = client.subscribe({
      filters: [{ filter: "views", qos: 0 }],
      onBatch(batch) {
        held.push(batch);
        count += batch.messages.length;
      },
    });
    await subscription.subscribed();
    const total = 20_000;
    const text = (i: number): string => `${i} `.repeat(1 + (i % 40));
    for (let start = 0; start < total; start += 100) {
      const messages = Array.from({ length: 100 }, (_, i) => ({ topic: "views", payload: text(start + i) }));
      await client.publish(messages);
    }
    await eventually(() => count === total);
    let i = 0;
    for (const batch of held) {
      for (const { payload } of batch.messages) assert.equal(Buffer.from(payload).toString(), text(i++));
    }
  } finally {
    await client.close();
  }
});

test("a slow subscriber makes the broker wait, and memory stays bounded", async () => {
  const client = openMqtt({ servers: [broker.url], heldBytesMax: 1_000_000 });
  const peer = await connectAsync(broker.url);
  try {
    let count = 0;
    let heldMax = 0;
    const waiting: MessageBatch[] = [];
    const subscription = client.subscribe({
      filters: [{ filter: "slow", qos: 1 }],
      onBatch(batch) {
        count += batch.messages.length;
        waiting.push(batch);
        heldMax = Math.max(heldMax, client.counters.heldBytes);
      },
    });
    await subscription.subscribed();
    const total = 2000;
    const sent = Promise.all(
      Array.from({ length: total }, () => peer.publishAsync("slow", Buffer.alloc(10_000, "x"), { qos: 1 })),
    );
    await eventually(() => client.counters.paused);
    assert.ok(count < 300, `${count} messages were read`);
    const release = setInterval(() => waiting.shift()?.ack(), 1);
    try {
      await eventually(() => count === total, 30_000);
    } finally {
      clearInterval(release);
    }
    await sent;
    assert.ok(heldMax < 3_000_000, `${heldMax} bytes were held`);
  } finally {
    await client.close();
    await peer.endAsync(true);
  }
});
