/**
 * What parsing and encoding one PUBLISH costs.
 *
 * Run it for real with `bun connectors/mqtt/protocol/codec_bench.ts` or `deno run -A` the same; the test runs it small.
 * The digest depends only on what was parsed, so a change that makes it quicker must leave the digest alone.
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import process from "node:process";
import { PublishWriter } from "./encode_publish.ts";
import { type PacketHandler, PacketParser } from "./parser.ts";

const MESSAGES_A_CHUNK = 500;
const TOPICS = 50;

export interface CodecFigures {
  readonly messages: number;
  readonly parseNanoseconds: number;
  readonly encodeNanoseconds: number;
  /** SHA-256 over topics, packet identifiers and payloads of one round, shortened. */
  readonly digest: string;
}

/** Encodes and parses `rounds` chunks of 500 messages of 80 bytes of JSON on 50 topics. */
export function benchCodec(rounds: number): CodecFigures {
  let encodeMs = -performance.now();
  let chunk: Uint8Array = new Uint8Array(0);
  for (let round = 0; round < rounds; round++) chunk = encodeChunk();
  encodeMs += performance.now();

  let payloadBytes = 0;
  let parsed = 0;
  const counting: PacketHandler = {
    onPublish(topic, _flags, packetId, bytes, start, end) {
      parsed++;
      payloadBytes += end - start + topic.length + packetId + bytes[start]!;
    },
    onAck() {},
    onPacket() {},
  };
  const parser = new PacketParser(counting);
  // The cut moves, so that the copying path is in the figure as often as it is in life.
  let parseMs = -performance.now();
  for (let round = 0; round < rounds; round++) {
    const cut = (round * 7919) % chunk.length;
    parser.parse(chunk.subarray(0, cut));
    parser.parse(chunk.subarray(cut));
  }
  parseMs += performance.now();
  const messages = rounds * MESSAGES_A_CHUNK;
  if (parsed !== messages || payloadBytes === 0) throw new Error(`parsed ${parsed} messages instead of ${messages}`);
  return {
    messages,
    parseNanoseconds: (parseMs * 1e6) / messages,
    encodeNanoseconds: (encodeMs * 1e6) / messages,
    digest: digestOf(chunk),
  };
}

function encodeChunk(): Uint8Array {
  const writer = new PublishWriter(4);
  for (let i = 0; i < MESSAGES_A_CHUNK; i++) {
    const payload = `{"device":"pump-${i % TOPICS}","temperature":${20 + (i % 17)},"humidity":${
      i % 100
    },"ts":17000000${i}}`;
    writer.add(
      `plant/line1/pump-${i % TOPICS}/telemetry`,
      payload,
      i % 2 === 0 ? 0 : 1,
      false,
      false,
      i + 1,
      undefined,
    );
  }
  return Buffer.concat(writer.take());
}

function digestOf(chunk: Uint8Array): string {
  const hash = createHash("sha256");
  new PacketParser({
    onPublish(topic, flags, packetId, bytes, start, end) {
      hash.update(`${topic} ${flags} ${packetId} `).update(bytes.subarray(start, end));
    },
    onAck() {},
    onPacket() {},
  }).parse(chunk);
  return hash.digest("hex").slice(0, 16);
}

if (import.meta.main) {
  benchCodec(200);
  const figures = benchCodec(4000);
  process.stdout.write(
    `${figures.messages} messages: parse ${figures.parseNanoseconds.toFixed(0)} ns, ` +
      `encode ${figures.encodeNanoseconds.toFixed(0)} ns each, digest ${figures.digest}\n`,
  );
}
