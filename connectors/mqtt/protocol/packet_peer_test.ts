/**
 * The codec against an independent one, mqtt-packet, with random packets both ways.
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import process from "node:process";
import { test } from "node:test";
import { generate, type Packet as PeerPacket, parser as peerParser } from "mqtt-packet";
import { encodePacket } from "./encode.ts";
import { type Packet, PacketType, type ProtocolLevel } from "./packet.ts";
import { PacketParser } from "./parser.ts";
import { CollectingHandler } from "./collecting_handler.ts";
import { PacketGenerator } from "./packet_generator.ts";
import { toPeer } from "./peer_packet.ts";

const SEED = Number(process.env["WEIR_SEED"] ?? Math.floor(Math.random() * 0x7fffffff));
const ROUNDS = 3000;

function parseOwn(bytes: Uint8Array, level: ProtocolLevel): Packet[] {
  const handler = new CollectingHandler();
  new PacketParser(handler, { level }).parse(bytes);
  return handler.packets;
}

function parsePeer(bytes: Uint8Array, level: ProtocolLevel): PeerPacket[] {
  const packets: PeerPacket[] = [];
  const parser = peerParser({ protocolVersion: level });
  parser.on("packet", (packet) => packets.push(packet));
  parser.on("error", (error) => {
    throw error;
  });
  parser.parse(Buffer.from(bytes));
  return packets;
}

/** Only what the two have in common: the peer adds fields of its own, and undefined ones. */
function plain(value: unknown, like: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (typeof like !== "object" || like === null) return value;
  if (Array.isArray(like)) return (value as unknown[] | undefined)?.map((item, i) => plain(item, like[i]));
  return Object.fromEntries(
    Object.keys(like).sort().map((key) => [
      key,
      plain((value as Record<string, unknown> | undefined)?.[key], (like as Record<string, unknown>)[key]),
    ]),
  );
}

const exact = (value: unknown): unknown => plain(value, value);

for (const level of [3, 4, 5] as const) {
  test(`encodePacket() writes what mqtt-packet reads, level ${level}`, () => {
    const generator = new PacketGenerator(SEED, level);
    for (let i = 0; i < ROUNDS; i++) {
      const packet = generator.next();
      const [peer, ...more] = parsePeer(encodePacket(packet, level), level);
      const expected = toPeer(packet, level);
      assert.equal(more.length, 0);
      assert.deepEqual(plain(peer, expected), plain(expected, expected), `seed ${SEED}, packet ${i}`);
    }
  });

  test(`PacketParser reads what mqtt-packet writes, level ${level}`, () => {
    const generator = new PacketGenerator(SEED, level);
    for (let i = 0; i < ROUNDS; i++) {
      const packet = generator.next();
      const bytes = generate(toPeer(packet, level) as unknown as PeerPacket, { protocolVersion: level });
      assert.deepEqual(exact(parseOwn(bytes, level)), exact([packet]), `seed ${SEED}, packet ${i}`);
    }
  });

  test(`PacketParser reads what encodePacket() writes, cut anywhere, level ${level}`, () => {
    const generator = new PacketGenerator(SEED + 1, level);
    // Small ones, so that every cut of them can be tried.
    const packets = Array.from({ length: 80 }, () => generator.next())
      .filter((packet) => encodePacket(packet, level).length < 300).slice(0, 40);
    const stream = Buffer.concat(packets.map((packet) => encodePacket(packet, level)));
    for (let cut = 0; cut <= stream.length; cut++) {
      const handler = new CollectingHandler();
      const parser = new PacketParser(handler, { level });
      parser.parse(stream.subarray(0, cut));
      parser.parse(stream.subarray(cut));
      if (cut % 50 === 0) {
        assert.deepEqual(exact(handler.packets), exact(packets), `seed ${SEED}, cut at ${cut}`);
      } else assert.equal(handler.packets.length, packets.length, `seed ${SEED}, cut at ${cut}`);
    }
    for (const size of [1, 2, 3, 5, 7]) {
      const handler = new CollectingHandler();
      const parser = new PacketParser(handler, { level });
      for (let i = 0; i < stream.length; i += size) parser.parse(stream.subarray(i, i + size));
      assert.deepEqual(exact(handler.packets), exact(packets), `seed ${SEED}, pieces of ${size}`);
    }
  });
}

test("packet types appear in the generator", () => {
  const generator = new PacketGenerator(SEED, 5);
  const seen = new Set(Array.from({ length: 1000 }, () => generator.next().type));
  assert.equal(seen.size, Object.keys(PacketType).length);
});
