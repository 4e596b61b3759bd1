/**
 * Decodes the bodies of the packets that are rare; PUBLISH and its answers have a fast path in the parser.
 * @module
 */
import { Cursor } from "./cursor.ts";
import {
  type ConnackPacket,
  type ConnectPacket,
  type ControlPacket,
  type FilterEntry,
  PacketType,
  type ProtocolLevel,
  type Qos,
  type SubscribePacket,
  type UnsubscribePacket,
  type WillPacket,
} from "./packet.ts";
import { decodeProperties, type Properties, WILL } from "./properties.ts";
import { MqttProtocolError, Reason } from "./reason.ts";
import { validateTopicFilter, validateTopicName } from "./topic.ts";

function malformed(message: string): MqttProtocolError {
  return new MqttProtocolError(Reason.MALFORMED_PACKET, message);
}

/**
 * Decodes `[start, end)` of `bytes`, the body of a packet of the type given.
 *
 * @param level what the connection speaks; a CONNECT says its own
 * @throws {MqttProtocolError}
 */
export function decodeControlPacket(
  type: ControlPacket["type"],
  bytes: Uint8Array,
  start: number,
  end: number,
  level: ProtocolLevel,
): ControlPacket {
  const cursor = new Cursor(bytes, start, end);
  const packet = decodeBody(type, cursor, level);
  if (cursor.left > 0) throw malformed(`${cursor.left} bytes too many in packet type ${type}`);
  return packet;
}

function decodeBody(type: ControlPacket["type"], cursor: Cursor, level: ProtocolLevel): ControlPacket {
  switch (type) {
    case PacketType.CONNECT:
      return decodeConnect(cursor);
    case PacketType.CONNACK:
      return decodeConnack(cursor, level);
    case PacketType.SUBSCRIBE:
      return decodeSubscribe(cursor, level);
    case PacketType.SUBACK:
    case PacketType.UNSUBACK: {
      const packetId = nonZeroId(cursor);
      const properties = propertiesOf(cursor, type, level);
      const codes: number[] = [];
      while (cursor.left > 0) codes.push(cursor.byte());
      if (type === PacketType.SUBACK && codes.length === 0) throw malformed("SUBACK without a code");
      return { type, packetId, codes, ...properties };
    }
    case PacketType.UNSUBSCRIBE:
      return decodeUnsubscribe(cursor, level);
    case PacketType.PINGREQ:
    case PacketType.PINGRESP:
      return { type };
    case PacketType.DISCONNECT:
    case PacketType.AUTH: {
      if (type === PacketType.AUTH && level !== 5) throw malformed("AUTH before MQTT 5");
      if (level !== 5 || cursor.left === 0) return { type, reasonCode: Reason.SUCCESS };
      const reasonCode = cursor.byte();
      return { type, reasonCode, ...(cursor.left > 0 ? propertiesOf(cursor, type, level) : {}) };
    }
    default:
      return type satisfies never;
  }
}

function propertiesOf(cursor: Cursor, type: number, level: ProtocolLevel): { properties?: Properties } {
  const properties = level === 5 ? decodeProperties(cursor, type) : undefined;
  return properties === undefined ? {} : { properties };
}

function nonZeroId(cursor: Cursor): number {
  const id = cursor.uint16();
  if (id === 0) throw malformed("packet identifier is 0");
  return id;
}

function decodeConnect(cursor: Cursor): ConnectPacket {
  const name = cursor.text();
  const level = cursor.byte();
  if (!(name === "MQTT" && (level === 4 || level === 5)) && !(name === "MQIsdp" && level === 3)) {
    throw new MqttProtocolError(Reason.UNSUPPORTED_PROTOCOL_VERSION, `Unknown protocol: "${name}" level ${level}`);
  }
  const flags = cursor.byte();
  if ((flags & 0x01) !== 0) throw malformed("reserved flag of CONNECT is set");
  const keepAlive = cursor.uint16();
  const properties = propertiesOf(cursor, PacketType.CONNECT, level);
  const clientId = cursor.text();
  const will = decodeWill(cursor, flags, level);
  const username = (flags & 0x80) !== 0 ? cursor.text() : undefined;
  const password = (flags & 0x40) !== 0 ? cursor.binary() : undefined;
  if (level !== 5 && password !== undefined && username === undefined) throw malformed("password without a user name");
  return {
    type: PacketType.CONNECT,
    level,
    clientId,
    clean: (flags & 0x02) !== 0,
    keepAlive,
    ...properties,
    ...(will === undefined ? {} : { will }),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  };
}

function decodeWill(cursor: Cursor, flags: number, level: ProtocolLevel): WillPacket | undefined {
  const qos = (flags >> 3) & 3;
  if ((flags & 0x04) === 0) {
    if ((flags & 0x38) !== 0) throw malformed("will flags without a will");
    return undefined;
  }
  if (qos === 3) throw malformed("QoS of the will is 3");
  const properties = propertiesOf(cursor, WILL, level);
  const topic = topicName(cursor.text());
  const payload = cursor.binary();
  return { topic, payload, qos: qos as Qos, retain: (flags & 0x20) !== 0, ...properties };
}

function decodeConnack(cursor: Cursor, level: ProtocolLevel): ConnackPacket {
  const flags = cursor.byte();
  if ((flags & 0xfe) !== 0) throw malformed("reserved flags of CONNACK are set");
  const code = cursor.byte();
  const properties = propertiesOf(cursor, PacketType.CONNACK, level);
  return { type: PacketType.CONNACK, sessionPresent: flags === 1, code, ...properties };
}

function decodeSubscribe(cursor: Cursor, level: ProtocolLevel): SubscribePacket {
  const packetId = nonZeroId(cursor);
  const properties = propertiesOf(cursor, PacketType.SUBSCRIBE, level);
  const filters: FilterEntry[] = [];
  while (cursor.left > 0) {
    const filter = topicFilter(cursor.text());
    const options = cursor.byte();
    const retainHandling = (options >> 4) & 3;
    if ((options & 3) === 3 || retainHandling === 3 || (options & (level === 5 ? 0xc0 : 0xfc)) !== 0) {
      throw malformed(`subscription options are not valid: 0x${options.toString(16)}`);
    }
    const qos = (options & 3) as Qos;
    filters.push(
      level !== 5 ? { filter, qos } : {
        filter,
        qos,
        noLocal: (options & 4) !== 0,
        retainAsPublished: (options & 8) !== 0,
        retainHandling: retainHandling as 0 | 1 | 2,
      },
    );
  }
  if (filters.length === 0) throw new MqttProtocolError(Reason.PROTOCOL_ERROR, "SUBSCRIBE without a filter");
  return { type: PacketType.SUBSCRIBE, packetId, filters, ...properties };
}

function decodeUnsubscribe(cursor: Cursor, level: ProtocolLevel): UnsubscribePacket {
  const packetId = nonZeroId(cursor);
  const properties = propertiesOf(cursor, PacketType.UNSUBSCRIBE, level);
  const filters: string[] = [];
  while (cursor.left > 0) filters.push(topicFilter(cursor.text()));
  if (filters.length === 0) throw new MqttProtocolError(Reason.PROTOCOL_ERROR, "UNSUBSCRIBE without a filter");
  return { type: PacketType.UNSUBSCRIBE, packetId, filters, ...properties };
}

function topicName(topic: string): string {
  const trouble = validateTopicName(topic);
  if (trouble === undefined) return topic;
  throw new MqttProtocolError(Reason.TOPIC_NAME_INVALID, `"${topic}" is not a topic: ${trouble}`);
}

function topicFilter(filter: string): string {
  const trouble = validateTopicFilter(filter);
  if (trouble === undefined) return filter;
  throw new MqttProtocolError(Reason.TOPIC_FILTER_INVALID, `"${filter}" is not a topic filter: ${trouble}`);
}
