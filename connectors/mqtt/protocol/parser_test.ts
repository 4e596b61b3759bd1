import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import process from "node:process";
import { test } from "node:test";
import { CollectingHandler } from "./collecting_handler.ts";
import { encodePacket } from "./encode.ts";
import { PublishWriter } from "./encode_publish.ts";
import { PacketGenerator } from "./packet_generator.ts";
import { PacketType, type ProtocolLevel, type PublishPacket } from "./packet.ts";
import { PacketParser } from "./parser.ts";
import { MqttProtocolError, Reason } from "./reason.ts";

const SEED = Number(process.env["WEIR_SEED"] ?? Math.floor(Math.random() * 0x7fffffff));

const bytes = (...parts: (number | string)[]): Uint8Array =>
  Buffer.concat(parts.map((part) => typeof part === "number" ? Buffer.from([part]) : Buffer.from(part)));

const refused: [name: string, level: ProtocolLevel, reason: number, stream: Uint8Array][] = [
  ["packet type 0", 4, Reason.MALFORMED_PACKET, bytes(0x00, 0)],
  ["AUTH before MQTT 5", 4, Reason.MALFORMED_PACKET, bytes(0xf0, 0)],
  ["QoS 3", 4, Reason.MALFORMED_PACKET, bytes(0x36, 5, 0, 1, "a", 0, 1)],
  ["reserved flags of PUBACK", 4, Reason.MALFORMED_PACKET, bytes(0x41, 2, 0, 1)],
  ["reserved flags of PUBREL", 4, Reason.MALFORMED_PACKET, bytes(0x60, 2, 0, 1)],
  ["length of five bytes", 4, Reason.MALFORMED_PACKET, bytes(0x30, 0x80, 0x80, 0x80, 0x80, 1)],
  ["length longer than needed", 4, Reason.MALFORMED_PACKET, bytes(0x30, 0x83, 0x00, 0, 1, "a")],
  ["topic past the end", 4, Reason.MALFORMED_PACKET, bytes(0x30, 3, 0, 9, "a")],
  ["no room for a topic", 4, Reason.MALFORMED_PACKET, bytes(0x30, 1, 0)],
  ["no room for a packet identifier", 4, Reason.MALFORMED_PACKET, bytes(0x32, 4, 0, 1, "a", 0)],
  ["packet identifier 0", 4, Reason.MALFORMED_PACKET, bytes(0x32, 5, 0, 1, "a", 0, 0)],
  ["empty topic", 4, Reason.PROTOCOL_ERROR, bytes(0x30, 2, 0, 0)],
  ["empty topic without an alias", 5, Reason.PROTOCOL_ERROR, bytes(0x30, 3, 0, 0, 0)],
  ["wildcard in a topic", 4, Reason.TOPIC_NAME_INVALID, bytes(0x30, 5, 0, 3, "a/+")],
  ["topic that is not UTF-8", 4, Reason.MALFORMED_PACKET, bytes(0x30, 4, 0, 2, 0xc3, 0x28)],
  ["surrogate in a topic", 4, Reason.MALFORMED_PACKET, bytes(0x30, 5, 0, 3, 0xed, 0xa0, 0x80)],
  ["U+0000 in a topic", 4, Reason.MALFORMED_PACKET, bytes(0x30, 3, 0, 1, 0)],
  ["no property length", 5, Reason.MALFORMED_PACKET, bytes(0x30, 3, 0, 1, "a")],
  ["properties past the end", 5, Reason.MALFORMED_PACKET, bytes(0x30, 4, 0, 1, "a", 9)],
  ["unknown property", 5, Reason.MALFORMED_PACKET, bytes(0x30, 6, 0, 1, "a", 2, 0x7f, 0)],
  ["misplaced property", 5, Reason.PROTOCOL_ERROR, bytes(0x30, 7, 0, 1, "a", 3, 0x13, 0, 1)],
  ["repeated property", 5, Reason.PROTOCOL_ERROR, bytes(0x30, 8, 0, 1, "a", 4, 1, 0, 1, 0)],
  ["flag that is 2", 5, Reason.PROTOCOL_ERROR, bytes(0x30, 6, 0, 1, "a", 2, 1, 2)],
  ["topic alias 0", 5, Reason.PROTOCOL_ERROR, bytes(0x30, 7, 0, 1, "a", 3, 0x23, 0, 0)],
  ["subscription identifier 0", 5, Reason.PROTOCOL_ERROR, bytes(0x30, 6, 0, 1, "a", 2, 0x0b, 0)],
  ["long PUBACK", 4, Reason.MALFORMED_PACKET, bytes(0x40, 3, 0, 1, 0)],
  ["short PUBACK", 4, Reason.MALFORMED_PACKET, bytes(0x40, 1, 0)],
  ["long PINGRESP", 4, Reason.MALFORMED_PACKET, bytes(0xd0, 1, 0)],
  ["reserved flags of CONNACK", 4, Reason.MALFORMED_PACKET, bytes(0x20, 2, 2, 0)],
  ["SUBACK without codes", 4, Reason.MALFORMED_PACKET, bytes(0x90, 2, 0, 1)],
  ["SUBSCRIBE without filters", 4, Reason.PROTOCOL_ERROR, bytes(0x82, 2, 0, 1)],
  ["SUBSCRIBE with a bad filter", 4, Reason.TOPIC_FILTER_INVALID, bytes(0x82, 7, 0, 1, 0, 2, "a#", 0)],
  ["unknown protocol level", 4, Reason.UNSUPPORTED_PROTOCOL_VERSION, bytes(0x10, 7, 0, 4, "MQTT", 9)],
  ["HTTP", 4, Reason.MALFORMED_PACKET, bytes("HTTP/1.1 400 Bad Request\r\n")],
];

for (const [name, level, reason, stream] of refused) {
  test(`PacketParser refuses ${name}`, () => {
    for (const size of [stream.length, 1]) {
      const parser = new PacketParser(new CollectingHandler(), { level });
      assert.throws(
        () => {
          for (let i = 0; i < stream.length; i += size) parser.parse(stream.subarray(i, i + size));
        },
        (error) => error instanceof MqttProtocolError && error.reasonCode === reason,
      );
    }
  });
}

test("PacketParser turns a packet over the limit away before its body has come", () => {
  const parser = new PacketParser(new CollectingHandler(), { packetBytesMax: 1000 });
  const header = bytes(0x30, 0xe9, 0x07);
  parser.parse(header.subarray(0, 1));
  assert.throws(() => parser.parse(header.subarray(1)), {
    name: "MqttProtocolError",
    reasonCode: Reason.PACKET_TOO_LARGE,
  });
});

test("PacketParser takes a packet of exactly the limit", () => {
  const handler = new CollectingHandler();
  const packet: PublishPacket = {
    type: PacketType.PUBLISH,
    topic: "t",
    payload: new Uint8Array(500),
    qos: 0,
    retain: false,
    dup: false,
    packetId: 0,
  };
  const stream = encodePacket(packet, 4);
  new PacketParser(handler, { packetBytesMax: stream.length }).parse(stream);
  assert.equal(handler.packets.length, 1);
});

test("PacketParser hands out a payload in place", () => {
  const stream = bytes(0x30, 6, 0, 1, "t", "abc");
  let seen: [Uint8Array, number, number] | undefined;
  const handler = new CollectingHandler();
  handler.onPublish = (_topic, _flags, _id, chunk, start, end) => void (seen = [chunk, start, end]);
  new PacketParser(handler).parse(stream);
  assert.deepEqual(seen, [stream, 5, 8]);
});

test("PacketParser stops inside a chunk when told to", () => {
  const handler = new CollectingHandler();
  const parser = new PacketParser(handler);
  handler.onAck = () => parser.stop();
  parser.parse(bytes(0x40, 2, 0, 1, 0xd0, 0, 0xd0, 0));
  parser.parse(bytes(0xd0, 0));
  assert.deepEqual(handler.packets, []);
});

test("PacketParser keeps order and repetition of user properties", () => {
  const userProperties: [string, string][] = [["b", "1"], ["a", "2"], ["b", "1"], ["", ""]];
  const packet: PublishPacket = {
    type: PacketType.PUBLISH,
    topic: "t",
    payload: new Uint8Array(0),
    qos: 1,
    retain: false,
    dup: false,
    packetId: 7,
    properties: { subscriptionIdentifiers: [5, 300], userProperties },
  };
  const handler = new CollectingHandler();
  new PacketParser(handler, { level: 5 }).parse(encodePacket(packet, 5));
  assert.deepEqual(handler.packets, [packet]);
});

test("PacketParser neither hangs nor fails otherwise on garbage", () => {
  const generator = new PacketGenerator(SEED, 5);
  for (let round = 0; round < 4000; round++) {
    const level = ([3, 4, 5] as const)[round % 3]!;
    const stream = round % 4 === 0 ? generator.bytes(200) : damaged(generator, level);
    const parser = new PacketParser(new CollectingHandler(), { level, packetBytesMax: 100_000 });
    try {
      for (let i = 0; i < stream.length;) {
        const size = generator.int(1, stream.length);
        parser.parse(stream.subarray(i, i + size));
        i += size;
      }
    } catch (error) {
      assert.ok(error instanceof MqttProtocolError, `seed ${SEED}, round ${round}: ${error}`);
    }
  }
});

/** A few good packets with some bytes changed, lost or repeated. */
function damaged(generator: PacketGenerator, level: ProtocolLevel): Uint8Array {
  const packets = Array.from({ length: 3 }, () => generator.publish()).map((packet) =>
    encodePacket(level === 5 ? packet : { ...packet, properties: undefined! }, level)
  );
  packets.push(encodePacket(new PacketGenerator(generator.int(0, 1e9), level).next(), level));
  const stream = Buffer.concat(packets);
  for (let i = generator.int(1, 6); i > 0; i--) stream[generator.int(0, stream.length - 1)] = generator.int(0, 255);
  const cut = generator.int(0, stream.length);
  return generator.chance(0.5) ? stream : Buffer.concat([stream.subarray(0, cut), stream.subarray(cut + 1)]);
}

test("PublishWriter splits off large payloads and keeps the stream whole", () => {
  const writer = new PublishWriter(4);
  const large = new Uint8Array(100_000).fill(7);
  writer.add("a", "small", 0, false, false, 0, undefined);
  writer.add("b", large, 1, false, false, 9, undefined);
  writer.add("c", "größer", 2, true, true, 10, undefined);
  const chunks = writer.take();
  assert.ok(chunks.includes(large));
  const handler = new CollectingHandler();
  const parser = new PacketParser(handler);
  for (const chunk of chunks) parser.parse(chunk);
  assert.deepEqual(
    handler.packets.map((packet) =>
      packet.type === PacketType.PUBLISH && [packet.topic, packet.payload.length, packet.packetId]
    ),
    [["a", 5, 0], ["b", 100_000, 9], ["c", 8, 10]],
  );
  assert.deepEqual(writer.take(), []);
});

test("PublishWriter refuses a packet over the limit and appends nothing", () => {
  const writer = new PublishWriter(5);
  assert.ok(writer.add("a", "0123456789", 0, false, false, 0, undefined, 10) > 10);
  assert.deepEqual(writer.take(), []);
});
