/**
 * Cuts a stream of socket reads into packets.
 *
 * ```ts ignore
 * const parser = new PacketParser(handler, { level: 4 });
 * socket.on("data", (chunk) => parser.parse(chunk));
 * ```
 *
 * A packet that lies whole in one chunk is read in place: the payload of a PUBLISH is a range of that chunk. Only a packet
 * cut by the end of a chunk is copied together.
 * @module
 */
import { Buffer } from "node:buffer";
import { Cursor } from "./cursor.ts";
import { decodeControlPacket } from "./decode.ts";
import { type AckType, type ControlPacket, PacketType, type ProtocolLevel } from "./packet.ts";
import { decodeProperties, type Properties } from "./properties.ts";
import { MqttProtocolError, Reason } from "./reason.ts";
import { TopicCache } from "./topic_cache.ts";

/** Takes what the parser finds, in order, synchronously. */
export interface PacketHandler {
  /**
   * A PUBLISH. `bytes` is the chunk given to `parse`, or a copy that nobody else holds.
   *
   * @param topic empty only in MQTT 5, where a topic alias stands in for it
   * @param flags low half of the first byte: retain 1, QoS 2 and 4, dup 8
   * @param packetId 0 for QoS 0
   * @param payloadStart payload is `[payloadStart, payloadEnd)` of `bytes`
   * @param subscriptionId the subscription identifier where it is the only property, as it is for most messages of a
   * subscription that has one; else 0
   * @param properties all properties of the message; undefined where there are none, or only `subscriptionId`
   */
  onPublish(
    topic: string,
    flags: number,
    packetId: number,
    bytes: Uint8Array,
    payloadStart: number,
    payloadEnd: number,
    subscriptionId: number,
    properties: Properties | undefined,
  ): void;
  onAck(type: AckType, packetId: number, reasonCode: number, properties: Properties | undefined): void;
  onPacket(packet: ControlPacket): void;
}

export interface ParserOptions {
  /** What the connection speaks. Set by a CONNECT that the parser meets. Default 4, MQTT 3.1.1. */
  readonly level?: ProtocolLevel;
  /** Largest packet taken, its first byte and length included. Default 256 MiB and 5 bytes, the most there can be. */
  readonly packetBytesMax?: number;
}

/** First byte and the longest length field. */
const HEADER_BYTES_MAX = 5;
const EMPTY = Buffer.alloc(0);
const SUBSCRIPTION_IDENTIFIER = 0x0b;

/** Flags that the first byte of each packet type must have; PUBLISH has its own. */
const requiredFlags = [0, 0, 0, 0, 0, 0, 2, 0, 2, 0, 2, 0, 0, 0, 0, 0];

export class PacketParser {
  /** Protocol level of the connection. */
  level: ProtocolLevel;
  readonly #handler: PacketHandler;
  readonly #packetBytesMax: number;
  readonly #topics = new TopicCache();
  /** What has come of a packet that is not complete yet: the first `#partialLength` bytes. */
  #partial: Buffer = EMPTY;
  #partialLength = 0;
  #stopped = false;

  constructor(handler: PacketHandler, options: ParserOptions = {}) {
    this.#handler = handler;
    this.level = options.level ?? 4;
    this.#packetBytesMax = options.packetBytesMax ?? Infinity;
  }

  /** Makes a running or later `parse` return without looking at any further byte. */
  stop(): void {
    this.#stopped = true;
    this.#partial = EMPTY;
    this.#partialLength = 0;
  }

  /**
   * Reads the next bytes of the stream and calls the handler for each packet that they complete.
   *
   * The handler may keep views of `chunk`, so it must not be written to again.
   *
   * @throws {MqttProtocolError} when they are not MQTT; the parser is stopped then
   */
  parse(chunk: Uint8Array): void {
    if (this.#stopped) return;
    try {
      const start = this.#partialLength > 0 ? this.#completePartial(chunk) : 0;
      if (start < chunk.length) this.#parseChunk(chunk, start);
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  /** @returns where in `chunk` the packet begun earlier ends; the end of `chunk` when it is still not complete */
  #completePartial(chunk: Uint8Array): number {
    let position = 0;
    let length = packetLengthAt(this.#partial, 0, this.#partialLength);
    while (length === 0) {
      if (position === chunk.length) return position;
      this.#keep(chunk, position, position + 1, HEADER_BYTES_MAX);
      position++;
      length = packetLengthAt(this.#partial, 0, this.#partialLength);
    }
    this.#checkLength(length);
    const end = Math.min(position + length - this.#partialLength, chunk.length);
    this.#keep(chunk, position, end, length);
    if (this.#partialLength < length) return chunk.length;
    const packet = this.#partial.subarray(0, length);
    this.#partial = EMPTY;
    this.#partialLength = 0;
    this.#parseChunk(packet, 0);
    return end;
  }

  /**
   * Puts `[start, end)` of a chunk by. Room grows with what has come, not with what the length field promises.
   *
   * @param length size of the packet, as far as it is known
   */
  #keep(chunk: Uint8Array, start: number, end: number, length: number): void {
    const needed = this.#partialLength + end - start;
    if (needed > this.#partial.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(length, this.#partial.length * 2)));
      grown.set(this.#partial.subarray(0, this.#partialLength));
      this.#partial = grown;
    }
    this.#partial.set(chunk.subarray(start, end), this.#partialLength);
    this.#partialLength = needed;
  }

  #checkLength(length: number): void {
    if (length > this.#packetBytesMax) {
      throw new MqttProtocolError(
        Reason.PACKET_TOO_LARGE,
        `Packet of ${length} bytes, at most ${this.#packetBytesMax} are taken`,
      );
    }
  }

  #parseChunk(chunk: Uint8Array, from: number): void {
    const chunkEnd = chunk.length;
    let start = from;
    while (start < chunkEnd && !this.#stopped) {
      const first = chunk[start]!;
      // One byte of length is by far the most common.
      let bodyStart = start + 2;
      let bodyLength = start + 1 < chunkEnd ? chunk[start + 1]! : 0x80;
      if (bodyLength >= 0x80) {
        this.#checkFirst(first);
        const length = packetLengthAt(chunk, start, chunkEnd);
        if (length === 0) {
          this.#keep(chunk, start, chunkEnd, HEADER_BYTES_MAX);
          return;
        }
        bodyStart = start + 1 + lengthBytes(chunk, start);
        bodyLength = length - (bodyStart - start);
      }
      const end = bodyStart + bodyLength;
      this.#checkLength(end - start);
      if (end > chunkEnd) {
        this.#checkFirst(first);
        this.#keep(chunk, start, chunkEnd, end - start);
        return;
      }
      if (first >> 4 === PacketType.PUBLISH) this.#publish(first & 15, chunk, bodyStart, end);
      else this.#other(first, chunk, bodyStart, end);
      start = end;
    }
  }

  /** Turns garbage away at its first byte, before waiting for the length that it seems to announce. */
  #checkFirst(first: number): void {
    const type = first >> 4;
    const flags = first & 15;
    if (type === PacketType.PUBLISH ? (flags & 6) === 6 : type === 0 || flags !== requiredFlags[type]) {
      throw new MqttProtocolError(Reason.MALFORMED_PACKET, `No packet begins with 0x${first.toString(16)}`);
    }
  }

  #publish(flags: number, bytes: Uint8Array, start: number, end: number): void {
    const qos = (flags >> 1) & 3;
    if (qos === 3) this.#checkFirst((PacketType.PUBLISH << 4) | flags);
    const topicStart = start + 2;
    if (topicStart > end) throw endsEarly();
    let position = topicStart + ((bytes[start]! << 8) | bytes[start + 1]!);
    if (position > end) throw endsEarly();
    const topic = this.#topics.get(bytes, topicStart, position);
    let packetId = 0;
    if (qos > 0) {
      if (position + 2 > end) throw endsEarly();
      packetId = (bytes[position]! << 8) | bytes[position + 1]!;
      if (packetId === 0) throw new MqttProtocolError(Reason.MALFORMED_PACKET, "packet identifier is 0");
      position += 2;
    }
    let subscriptionId = 0;
    let properties: Properties | undefined;
    if (this.level === 5) {
      subscriptionId = loneSubscriptionId(bytes, position, end);
      if (subscriptionId > 0) {
        position += 3;
      } else {
        const cursor = new Cursor(bytes, position, end);
        properties = decodeProperties(cursor, PacketType.PUBLISH);
        position = cursor.position;
      }
    }
    if (topic === "" && properties?.topicAlias === undefined) {
      throw new MqttProtocolError(Reason.PROTOCOL_ERROR, "Message without a topic");
    }
    this.#handler.onPublish(topic, flags, packetId, bytes, position, end, subscriptionId, properties);
  }

  #other(first: number, bytes: Uint8Array, start: number, end: number): void {
    this.#checkFirst(first);
    const type = first >> 4;
    switch (type) {
      case PacketType.PUBACK:
      case PacketType.PUBREC:
      case PacketType.PUBREL:
      case PacketType.PUBCOMP:
        return this.#ack(type, bytes, start, end);
      default: {
        const packet = decodeControlPacket(type as ControlPacket["type"], bytes, start, end, this.level);
        if (packet.type === PacketType.CONNECT) this.level = packet.level;
        return this.#handler.onPacket(packet);
      }
    }
  }

  #ack(type: AckType, bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length < 2) throw endsEarly();
    const packetId = (bytes[start]! << 8) | bytes[start + 1]!;
    if (packetId === 0) throw new MqttProtocolError(Reason.MALFORMED_PACKET, "packet identifier is 0");
    if (length === 2) return this.#handler.onAck(type, packetId, Reason.SUCCESS, undefined);
    if (this.level !== 5) throw new MqttProtocolError(Reason.MALFORMED_PACKET, "answer to PUBLISH is too long");
    const reasonCode = bytes[start + 2]!;
    if (length === 3) return this.#handler.onAck(type, packetId, reasonCode, undefined);
    const cursor = new Cursor(bytes, start + 3, end);
    const properties = decodeProperties(cursor, type);
    if (cursor.left > 0) throw new MqttProtocolError(Reason.MALFORMED_PACKET, "answer to PUBLISH is too long");
    this.#handler.onAck(type, packetId, reasonCode, properties);
  }
}

/**
 * The size of the packet that begins at `start`, first byte and length field included.
 *
 * @returns 0 when its length field is not complete before `end`
 */
function packetLengthAt(bytes: Uint8Array, start: number, end: number): number {
  let remaining = 0;
  for (let i = 0; i < 4; i++) {
    const at = start + 1 + i;
    if (at >= end) return 0;
    const byte = bytes[at]!;
    remaining |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      if (byte === 0 && i > 0) throw badLength();
      return 2 + i + remaining;
    }
  }
  throw badLength();
}

/** How many bytes the complete length field of the packet at `start` has. */
function lengthBytes(bytes: Uint8Array, start: number): number {
  let count = 1;
  while (bytes[start + count]! >= 0x80) count++;
  return count;
}

function badLength(): MqttProtocolError {
  return new MqttProtocolError(Reason.MALFORMED_PACKET, "length of packet is malformed");
}

function endsEarly(): MqttProtocolError {
  return new MqttProtocolError(Reason.MALFORMED_PACKET, "packet ends inside a field");
}

/** The value of a subscription identifier below 128 that is all the properties of a message; 0 when that is not so. */
function loneSubscriptionId(bytes: Uint8Array, start: number, end: number): number {
  if (start + 3 > end || bytes[start] !== 2 || bytes[start + 1] !== SUBSCRIPTION_IDENTIFIER) return 0;
  const id = bytes[start + 2]!;
  return id < 0x80 ? id : 0;
}
