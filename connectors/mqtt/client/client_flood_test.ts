/**
 * A publisher that sends as fast as the socket takes it, and a consumer that does not keep up.
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import process from "node:process";
import { test } from "node:test";
import type { MessageBatch, Qos } from "./connection.ts";
import { type FakePeer, message, politely, startFakeBroker } from "./fake_broker.ts";
import { openMqtt } from "./open_mqtt.ts";
import { encodePacket } from "../protocol/encode.ts";
import { type Packet, PacketType } from "../protocol/packet.ts";
import { eventually } from "../../../tests/eventually.ts";

const heldBytesMax = 2 * 1024 * 1024;
const payload = "x".repeat(1000);
const mebibyte = 1024 * 1024;
/** Several times of what may be resident, part of which is garbage that has not been collected yet. */
const passedBytes: Record<Qos, number> = { 0: 1200 * mebibyte, 1: 300 * mebibyte, 2: 300 * mebibyte };
const residentBytesMax: Record<Qos, number> = { 0: 500 * mebibyte, 1: 200 * mebibyte, 2: 200 * mebibyte };

/** Writes messages whenever the socket has room, until it is stopped. */
class Flood {
  readonly #peer: FakePeer;
  readonly #qos: Qos;
  #packetId = 0;
  #chunk: Uint8Array | undefined;
  #stopped = false;
  sentBytes = 0;

  constructor(peer: FakePeer, qos: Qos) {
    this.#peer = peer;
    this.#qos = qos;
    peer.socket.on("drain", () => this.#write());
    this.#write();
  }

  #write(): void {
    while (!this.#stopped) {
      const chunk = this.#chunk ?? Buffer.concat(Array.from({ length: 50 }, () => this.#next()));
      // Without identifiers all are equal, and garbage of the test itself would count as memory of the client.
      if (this.#qos === 0) this.#chunk = chunk;
      this.sentBytes += chunk.length;
      if (!this.#peer.socket.write(chunk)) return;
    }
  }

  #next(): Uint8Array {
    if (this.#qos > 0) this.#packetId = this.#packetId % 65_535 + 1;
    return encodePacket(message("a", this.#qos, this.#packetId, payload), 4);
  }

  stop(): void {
    this.#stopped = true;
  }
}

function answer(peer: FakePeer, packet: Packet): void {
  if (packet.type !== PacketType.PUBREC) return politely(peer, packet);
  peer.send({ type: PacketType.PUBREL, packetId: packet.packetId, reasonCode: 0 });
}

for (const qos of [0, 1, 2] as Qos[]) {
  test(`a flood of QoS ${qos} stops in the socket when nobody takes it, and memory stays bounded when somebody is slow`, async () => {
    const broker = await startFakeBroker((peer, packet) => {
      answer(peer, packet);
      peer.packets.length = 0;
    });
    const client = openMqtt({ servers: [broker.url], heldBytesMax, session: "keep", clientId: "slow" });
    let flood: Flood | undefined;
    try {
      const held: MessageBatch[] = [];
      let taken = 0;
      let heldBytes = 0;
      const subscription = client.subscribe({
        filters: [{ filter: "a", qos }],
        onBatch: (batch) => {
          held.push(batch);
          heldBytes = Math.max(heldBytes, client.counters.heldBytes);
        },
      });
      await subscription.subscribed();
      const resident = process.memoryUsage().rss;
      flood = new Flood(broker.last, qos);
      await eventually(() => client.counters.paused);
      // What the sockets of the kernel hold comes on top.
      let before = -1;
      await eventually(() => {
        const now = flood!.sentBytes;
        const still = now === before && broker.last.socket.writableNeedDrain;
        before = now;
        return still;
      });
      const { received } = client.counters;
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert.equal(client.counters.received, received, "reading goes on while paused");
      assert.ok(flood.sentBytes < 40 * mebibyte, `${flood.sentBytes} bytes were written`);

      const release = setInterval(() => {
        for (const batch of held.splice(0, 8)) {
          taken += batch.payloadBytes;
          batch.ack();
        }
      }, 1);
      let peak = 0;
      try {
        await eventually(() => {
          peak = Math.max(peak, process.memoryUsage().rss - resident);
          return taken >= passedBytes[qos];
        }, 60_000);
      } finally {
        clearInterval(release);
      }
      assert.ok(heldBytes < 1.5 * heldBytesMax, `${heldBytes} bytes were held`);
      assert.ok(peak < residentBytesMax[qos], `${peak} bytes more were resident`);
      assert.equal(client.counters.droppedOverLimit, 0);
      console.log(
        `QoS ${qos}: ${Math.round(taken / mebibyte)} MiB went through, ${
          Math.round(peak / mebibyte)
        } MiB more resident`,
      );
    } finally {
      flood?.stop();
      await client.close();
      await broker.stop();
    }
  });
}
