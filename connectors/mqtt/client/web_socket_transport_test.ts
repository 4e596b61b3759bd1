/**
 * MQTT over WebSocket, through a bridge to a real mosquitto.
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { connectAsync } from "mqtt";
import type { MessageBatch } from "./connection.ts";
import { openMqtt } from "./open_mqtt.ts";
import { type BridgeOptions, startWebSocketBridge, type WebSocketBridge } from "./web_socket_bridge.ts";
import { FrameParser, maskedFrame, Opcode } from "./web_socket_frames.ts";
import { eventually } from "../../../tests/eventually.ts";
import { type Mosquitto, startMosquitto } from "../../../tests/mosquitto.ts";

let broker: Mosquitto;
before(async () => {
  const lines = ["max_inflight_messages 1000", "max_queued_messages 0"];
  broker = await startMosquitto({ lines, tls: "server" });
});
after(async () => await broker?.stop());

async function withBridge(options: BridgeOptions, run: (bridge: WebSocketBridge, url: string) => Promise<void>) {
  const bridge = await startWebSocketBridge(broker.port, options);
  try {
    await run(bridge, `ws://127.0.0.1:${bridge.port}/mqtt?x=1`);
  } finally {
    await bridge.stop();
  }
}

for (const frameBytes of [undefined, 1, 130, 70_000]) {
  test(`messages go both ways over WebSocket, frames of ${frameBytes ?? "any number of"} bytes`, () =>
    withBridge(frameBytes === undefined ? {} : { frameBytes }, async (bridge, url) => {
      const client = openMqtt({ servers: [url], protocolVersion: "5" });
      try {
        const batches: MessageBatch[] = [];
        const heard: string[] = [];
        const subscription = client.subscribe({
          filters: [{ filter: `ws/${frameBytes}`, qos: 2 }],
          onBatch(batch) {
            batches.push(batch);
            for (const { payload } of batch.messages) heard.push(Buffer.from(payload).toString());
            batch.ack();
          },
        });
        await subscription.subscribed();
        const sizes = [0, 1, 100, 125, 126, 1000, 65_535, 70_000, 200_000];
        const payloads = sizes.map((size) => "x".repeat(size));
        await client.publish(payloads.map((payload) => ({ topic: `ws/${frameBytes}`, payload, qos: 2 })));
        await eventually(() => heard.length === payloads.length);
        assert.deepEqual(heard, payloads);
        assert.ok(bridge.pongs > 0);
        assert.deepEqual(bridge.requests, [{ path: "/mqtt?x=1", protocols: "mqtt, mqttv3.1" }]);
      } finally {
        await client.close();
      }
    }));
}

test("several messages are unacknowledged at once over WebSocket, and mqtt.js takes the same road", () =>
  withBridge({}, async (_bridge, url) => {
    const client = openMqtt({ servers: [url] });
    const peer = await connectAsync(url);
    try {
      const held: MessageBatch[] = [];
      let count = 0;
      const subscription = client.subscribe({
        filters: [{ filter: "ws/many", qos: 1 }],
        onBatch(batch) {
          held.push(batch);
          count += batch.messages.length;
        },
      });
      await subscription.subscribed();
      await Promise.all(Array.from({ length: 100 }, (_, i) => peer.publishAsync("ws/many", `${i}`, { qos: 1 })));
      await eventually(() => count === 100);
      for (const batch of held) batch.ack();
      await eventually(() => broker.log.split("Received PUBACK").length > 100);
    } finally {
      await client.close();
      await peer.endAsync(true);
    }
  }));

test("wss: checks the certificate", async () => {
  const { ca, otherCa, serverCert, serverKey } = broker.certificates!;
  const tls = { cert: readFileSync(serverCert, "utf8"), key: readFileSync(serverKey, "utf8") };
  await withBridge({ tls }, async (bridge) => {
    const servers = [`wss://localhost:${bridge.port}/mqtt`];
    const reconnectMs = { min: 10_000, max: 10_000 };
    const client = openMqtt({ servers, tls: { ca: readFileSync(ca) }, reconnectMs });
    const doubting = openMqtt({ servers, tls: { ca: readFileSync(otherCa) }, reconnectMs });
    try {
      await client.connected();
      await client.publish([{ topic: "ws/tls", payload: "x".repeat(100_000), qos: 2 }]);
      await eventually(() => doubting.status.state === "disconnected");
      assert.equal(doubting.status.error!.retryable, false, String(doubting.status.error));
    } finally {
      await client.close();
      await doubting.close();
    }
  });
});

const refusals: [name: string, options: BridgeOptions, message: RegExp][] = [
  ["another status", { refuse: "403 Forbidden" }, /refused the WebSocket: answer is "HTTP\/1.1 403 Forbidden"/],
  ["a text frame", { raw: Uint8Array.of(0x81, 1, 97) }, /text frame/],
  ["a masked frame", { raw: Uint8Array.of(0x82, 0x81, 0, 0, 0, 0, 97) }, /masked frame/],
  ["reserved bits", { raw: Uint8Array.of(0xf2, 1, 97) }, /reserved bits/],
  ["a close frame", { raw: Uint8Array.of(0x88, 0) }, /closed the connection/],
];

for (const [name, options, expected] of refusals) {
  test(`WebSocket with ${name} is a lost connection`, () =>
    withBridge(options, async (_bridge, url) => {
      const client = openMqtt({ servers: [url], reconnectMs: { min: 10_000, max: 10_000 } });
      try {
        await eventually(() => client.status.state === "disconnected");
        assert.match(client.status.error!.message, expected);
        assert.equal(client.status.error!.retryable, true);
      } finally {
        await client.close();
      }
    }));
}

test("maskedFrame() is what RFC 6455 says, in all three sizes", () => {
  for (const size of [0, 125, 126, 65_535, 65_536]) {
    const frame = Buffer.from(maskedFrame(Opcode.BINARY, new Uint8Array(size).fill(7)));
    const head = size < 126 ? 2 : size < 65_536 ? 4 : 10;
    assert.equal(frame.length, head + 4 + size);
    assert.equal(frame[0], 0x82);
    const length = head === 2
      ? frame[1]! & 0x7f
      : head === 4
      ? frame.readUInt16BE(2)
      : Number(frame.readBigUInt64BE(2));
    assert.equal(length, size);
    if (size > 0) assert.equal(frame[head + 4 + size - 1]! ^ frame[head + ((size - 1) & 3)]!, 7);
  }
});

test("FrameParser takes a stream in pieces of any size", () => {
  const stream = Buffer.concat([
    Uint8Array.of(0x02, 2, 1, 2),
    Uint8Array.of(0x89, 1, 9),
    Uint8Array.of(0x80, 126, 0, 3, 3, 4, 5),
    Uint8Array.of(0x82, 0),
    Uint8Array.of(0x88, 0),
  ]);
  for (let size = 1; size <= stream.length; size++) {
    const data: number[] = [];
    const controls: number[] = [];
    const parser = new FrameParser({
      onBinary: (bytes) => data.push(...bytes),
      onControl: (opcode) => controls.push(opcode),
    });
    for (let i = 0; i < stream.length; i += size) assert.equal(parser.parse(stream.subarray(i, i + size)), undefined);
    assert.deepEqual([data, controls], [[1, 2, 3, 4, 5], [Opcode.PING, Opcode.CLOSE]]);
  }
});
