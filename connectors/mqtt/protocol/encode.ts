/**
 * Encodes packets.
 * @module
 */
import { Buffer } from "node:buffer";
import { ByteWriter } from "./byte_writer.ts";
import { type AckPacket, type ConnectPacket, type Packet, PacketType, type ProtocolLevel } from "./packet.ts";
import { encodePublish } from "./encode_publish.ts";
import { encodeProperties, WILL } from "./properties.ts";
import { Reason } from "./reason.ts";

const protocolNames = { 3: "MQIsdp", 4: "MQTT", 5: "MQTT" } as const;

/**
 * Encodes one packet.
 *
 * @param level what the connection speaks; properties are left out before MQTT 5
 * @throws {RangeError} when a field is too long or a property does not belong in the packet
 */
export function encodePacket(packet: Packet, level: ProtocolLevel): Uint8Array {
  if (packet.type === PacketType.PUBLISH) return encodePublish(packet, level);
  const writer = new ByteWriter();
  const flags = encodeBody(writer, packet, level);
  const body = writer.finish();
  const head = new ByteWriter(body.length + 5);
  head.byte((packet.type << 4) | flags);
  head.varint(body.length);
  head.raw(body);
  return head.finish();
}

/** Writes all but the fixed header. @returns the flags of the first byte */
function encodeBody(
  writer: ByteWriter,
  packet: Exclude<Packet, { type: typeof PacketType.PUBLISH }>,
  level: ProtocolLevel,
): number {
  const properties = (): void => {
    if (level === 5 && "properties" in packet) encodeProperties(writer, packet.properties, packet.type);
    else if (level === 5) writer.byte(0);
  };
  switch (packet.type) {
    case PacketType.CONNECT:
      encodeConnect(writer, packet);
      return 0;
    case PacketType.CONNACK:
      writer.byte(packet.sessionPresent ? 1 : 0);
      writer.byte(packet.code);
      properties();
      return 0;
    case PacketType.PUBACK:
    case PacketType.PUBREC:
    case PacketType.PUBREL:
    case PacketType.PUBCOMP:
      encodeAckBody(writer, packet, level);
      return packet.type === PacketType.PUBREL ? 2 : 0;
    case PacketType.SUBSCRIBE:
      writer.uint16(packet.packetId);
      properties();
      for (const entry of packet.filters) {
        writer.text(entry.filter);
        const options = (entry.noLocal ? 4 : 0) | (entry.retainAsPublished ? 8 : 0) |
          ((entry.retainHandling ?? 0) << 4);
        writer.byte(entry.qos | (level === 5 ? options : 0));
      }
      return 2;
    case PacketType.SUBACK:
    case PacketType.UNSUBACK:
      writer.uint16(packet.packetId);
      properties();
      for (const code of packet.codes) writer.byte(code);
      return 0;
    case PacketType.UNSUBSCRIBE:
      writer.uint16(packet.packetId);
      properties();
      for (const filter of packet.filters) writer.text(filter);
      return 2;
    case PacketType.PINGREQ:
    case PacketType.PINGRESP:
      return 0;
    case PacketType.DISCONNECT:
    case PacketType.AUTH:
      if (level === 5 && (packet.reasonCode !== Reason.SUCCESS || packet.properties !== undefined)) {
        writer.byte(packet.reasonCode);
        if (packet.properties !== undefined) properties();
      }
      return 0;
    default:
      return packet satisfies never;
  }
}

function encodeAckBody(writer: ByteWriter, packet: AckPacket, level: ProtocolLevel): void {
  writer.uint16(packet.packetId);
  if (level !== 5 || (packet.reasonCode === Reason.SUCCESS && packet.properties === undefined)) return;
  writer.byte(packet.reasonCode);
  if (packet.properties !== undefined) encodeProperties(writer, packet.properties, packet.type);
}

function encodeConnect(writer: ByteWriter, packet: ConnectPacket): void {
  const { level, will } = packet;
  writer.text(protocolNames[level]);
  writer.byte(level);
  let flags = packet.clean ? 2 : 0;
  if (will !== undefined) flags |= 4 | (will.qos << 3) | (will.retain ? 0x20 : 0);
  if (packet.password !== undefined) flags |= 0x40;
  if (packet.username !== undefined) flags |= 0x80;
  writer.byte(flags);
  writer.uint16(packet.keepAlive);
  if (level === 5) encodeProperties(writer, packet.properties, PacketType.CONNECT);
  writer.text(packet.clientId);
  if (will !== undefined) {
    if (level === 5) encodeProperties(writer, will.properties, WILL);
    writer.text(will.topic);
    writer.binary(will.payload);
  }
  if (packet.username !== undefined) writer.text(packet.username);
  if (packet.password !== undefined) writer.binary(packet.password);
}

/** The four bytes of a successful PUBACK, PUBREC, PUBREL or PUBCOMP, written at `at`; the same in every version. */
export function writeAck(target: Buffer, at: number, type: AckPacket["type"], packetId: number): void {
  target[at] = (type << 4) | (type === PacketType.PUBREL ? 2 : 0);
  target[at + 1] = 2;
  target[at + 2] = packetId >>> 8;
  target[at + 3] = packetId;
}
