/**
 * Encodes PUBLISH packets, many at a time into few buffers.
 * @module
 */
import { Buffer } from "node:buffer";
import { ByteWriter } from "./byte_writer.ts";
import { PacketType, type ProtocolLevel, type PublishPacket, type Qos, REMAINING_LENGTH_MAX } from "./packet.ts";
import { encodeProperties, type Properties } from "./properties.ts";

/** Payloads from here on are handed to the socket as they are: copying them costs more than one buffer more. */
const COPIED_BYTES_MAX = 16_384;
/** First size of a buffer that collects packets. */
const BUFFER_BYTES = 4096;

/** Encodes one PUBLISH into one buffer. */
export function encodePublish(packet: PublishPacket, level: ProtocolLevel): Uint8Array {
  const writer = new PublishWriter(level);
  writer.add(packet.topic, packet.payload, packet.qos, packet.retain, packet.dup, packet.packetId, packet.properties);
  return Buffer.concat(writer.take());
}

/** Encodes the properties of a PUBLISH, their length first. */
export function encodePublishProperties(properties: Properties | undefined): Uint8Array {
  const writer = new ByteWriter();
  encodeProperties(writer, properties, PacketType.PUBLISH);
  return writer.finish();
}

/** The size of a PUBLISH, its first byte and length field included. */
export function publishSize(
  topicBytes: number,
  payloadBytes: number,
  qos: Qos,
  propertyBytes: number,
): number {
  const remaining = 2 + topicBytes + (qos > 0 ? 2 : 0) + propertyBytes + payloadBytes;
  return 1 + varintSize(remaining) + remaining;
}

// deno-lint-ignore no-control-regex -- the control characters are ASCII too.
const nonAscii = /[^\x00-\x7f]/;

/** As `Buffer.byteLength`; on the short ASCII texts that most payloads are, the look at each character is cheaper. */
function byteLength(text: string): number {
  return text.length < 4096 && !nonAscii.test(text) ? text.length : Buffer.byteLength(text);
}

function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  return value < 0x200000 ? 3 : 4;
}

/** Collects packets for one write to the socket. */
export class PublishWriter {
  readonly #level: ProtocolLevel;
  #chunks: Uint8Array[] = [];
  readonly #firstBytes: number;
  #buffer: Buffer | undefined;
  #length = 0;

  /** `bytesExpected` sizes the first buffer. */
  constructor(level: ProtocolLevel, bytesExpected: number = BUFFER_BYTES) {
    this.#level = level;
    this.#firstBytes = Math.min(Math.max(bytesExpected, 64), 65_536);
  }

  /**
   * Appends a PUBLISH, or nothing when it is too large.
   *
   * @param packetBytesMax the largest packet that the receiver takes
   * @returns the size of the packet; above `packetBytesMax` nothing was appended
   * @throws {RangeError} when a property does not fit
   */
  add(
    topic: string,
    payload: string | Uint8Array,
    qos: Qos,
    retain: boolean,
    dup: boolean,
    packetId: number,
    properties: Properties | undefined,
    packetBytesMax = REMAINING_LENGTH_MAX + 5,
  ): number {
    const topicBytes = byteLength(topic);
    const payloadBytes = typeof payload === "string" ? byteLength(payload) : payload.length;
    const encoded = this.#level === 5 && properties !== undefined ? encodePublishProperties(properties) : undefined;
    const propertyBytes = this.#level === 5 ? (encoded?.length ?? 1) : 0;
    const size = publishSize(topicBytes, payloadBytes, qos, propertyBytes);
    if (size > packetBytesMax) return size;
    const copied = typeof payload === "string" || payloadBytes <= COPIED_BYTES_MAX;
    const buffer = this.#room(copied ? size : size - payloadBytes);
    let at = this.#length;
    buffer[at++] = (PacketType.PUBLISH << 4) | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
    let rest = 2 + topicBytes + (qos > 0 ? 2 : 0) + propertyBytes + payloadBytes;
    while (rest >= 0x80) {
      buffer[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[at++] = rest;
    buffer[at++] = topicBytes >>> 8;
    buffer[at++] = topicBytes;
    if (topicBytes === topic.length && topicBytes < 64) {
      for (let i = 0; i < topicBytes; i++) buffer[at++] = topic.charCodeAt(i);
    } else {
      at += buffer.write(topic, at);
    }
    if (qos > 0) {
      buffer[at++] = packetId >>> 8;
      buffer[at++] = packetId;
    }
    if (encoded !== undefined) {
      buffer.set(encoded, at);
      at += encoded.length;
    } else if (propertyBytes > 0) {
      buffer[at++] = 0;
    }
    if (typeof payload === "string") {
      if (payloadBytes === payload.length) buffer.write(payload, at, "latin1");
      else buffer.write(payload, at);
      at += payloadBytes;
    } else if (copied) {
      buffer.set(payload, at);
      at += payloadBytes;
    }
    this.#length = at;
    if (!copied) {
      this.#closeBuffer();
      this.#chunks.push(payload as Uint8Array);
    }
    return size;
  }

  #room(size: number): Buffer {
    if (this.#buffer !== undefined && this.#length + size <= this.#buffer.length) return this.#buffer;
    const doubled = this.#buffer === undefined ? this.#firstBytes : Math.min(this.#buffer.length * 2, 65_536);
    this.#closeBuffer();
    this.#buffer = Buffer.allocUnsafe(Math.max(doubled, size));
    return this.#buffer;
  }

  #closeBuffer(): void {
    if (this.#buffer !== undefined && this.#length > 0) this.#chunks.push(this.#buffer.subarray(0, this.#length));
    this.#buffer = undefined;
    this.#length = 0;
  }

  /** @returns all that was appended since the last call, in order */
  take(): Uint8Array[] {
    this.#closeBuffer();
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks;
  }
}
