/**
 * MQTT 5 properties: one table of what each is called, how it is encoded and which packets may carry it.
 * @module
 */
import { ByteWriter } from "./byte_writer.ts";
import { Cursor } from "./cursor.ts";
import { MqttProtocolError, Reason } from "./reason.ts";
import { PacketType } from "./packet.ts";

/**
 * The properties of one packet, by their names in the specification.
 *
 * Times and intervals are whole seconds. `userProperties` keeps order and repeated names.
 */
export interface Properties {
  payloadFormatIndicator?: number;
  messageExpiryInterval?: number;
  contentType?: string;
  responseTopic?: string;
  correlationData?: Uint8Array;
  subscriptionIdentifiers?: number[];
  sessionExpiryInterval?: number;
  assignedClientIdentifier?: string;
  serverKeepAlive?: number;
  authenticationMethod?: string;
  authenticationData?: Uint8Array;
  requestProblemInformation?: number;
  willDelayInterval?: number;
  requestResponseInformation?: number;
  responseInformation?: string;
  serverReference?: string;
  reasonString?: string;
  receiveMaximum?: number;
  topicAliasMaximum?: number;
  topicAlias?: number;
  maximumQos?: number;
  retainAvailable?: number;
  userProperties?: [name: string, value: string][];
  maximumPacketSize?: number;
  wildcardSubscriptionAvailable?: number;
  subscriptionIdentifiersAvailable?: number;
  sharedSubscriptionAvailable?: number;
}

type Encoding = "flag" | "byte" | "uint16" | "uint32" | "varint" | "text" | "bytes" | "pair";

interface Definition {
  readonly id: number;
  readonly name: keyof Properties;
  readonly encoding: Encoding;
  /** One bit per packet type that may carry the property; bit 0 stands for the will. */
  readonly packets: number;
  /** Zero is a protocol error. */
  readonly positive: boolean;
}

/** The will of a CONNECT has properties of its own: it uses the packet type that MQTT keeps reserved. */
export const WILL = 0;

const bits = (...types: number[]): number => types.reduce((mask, type) => mask | (1 << type), 0);
const P = PacketType;
const ANY_ANSWER = bits(P.CONNACK, P.PUBACK, P.PUBREC, P.PUBREL, P.PUBCOMP, P.SUBACK, P.UNSUBACK, P.DISCONNECT, P.AUTH);
const MESSAGE = bits(P.PUBLISH, WILL);

const define = (
  id: number,
  name: keyof Properties,
  encoding: Encoding,
  packets: number,
  positive = false,
): Definition => ({ id, name, encoding, packets, positive });

/** In the order of the specification, section 2.2.2.2. */
const definitions: readonly Definition[] = [
  define(0x01, "payloadFormatIndicator", "flag", MESSAGE),
  define(0x02, "messageExpiryInterval", "uint32", MESSAGE),
  define(0x03, "contentType", "text", MESSAGE),
  define(0x08, "responseTopic", "text", MESSAGE),
  define(0x09, "correlationData", "bytes", MESSAGE),
  define(0x0b, "subscriptionIdentifiers", "varint", bits(P.PUBLISH, P.SUBSCRIBE), true),
  define(0x11, "sessionExpiryInterval", "uint32", bits(P.CONNECT, P.CONNACK, P.DISCONNECT)),
  define(0x12, "assignedClientIdentifier", "text", bits(P.CONNACK)),
  define(0x13, "serverKeepAlive", "uint16", bits(P.CONNACK)),
  define(0x15, "authenticationMethod", "text", bits(P.CONNECT, P.CONNACK, P.AUTH)),
  define(0x16, "authenticationData", "bytes", bits(P.CONNECT, P.CONNACK, P.AUTH)),
  define(0x17, "requestProblemInformation", "flag", bits(P.CONNECT)),
  define(0x18, "willDelayInterval", "uint32", bits(WILL)),
  define(0x19, "requestResponseInformation", "flag", bits(P.CONNECT)),
  define(0x1a, "responseInformation", "text", bits(P.CONNACK)),
  define(0x1c, "serverReference", "text", bits(P.CONNACK, P.DISCONNECT)),
  define(0x1f, "reasonString", "text", ANY_ANSWER),
  define(0x21, "receiveMaximum", "uint16", bits(P.CONNECT, P.CONNACK), true),
  define(0x22, "topicAliasMaximum", "uint16", bits(P.CONNECT, P.CONNACK)),
  define(0x23, "topicAlias", "uint16", bits(P.PUBLISH), true),
  define(0x24, "maximumQos", "flag", bits(P.CONNACK)),
  define(0x25, "retainAvailable", "flag", bits(P.CONNACK)),
  define(0x26, "userProperties", "pair", ANY_ANSWER | MESSAGE | bits(P.CONNECT, P.SUBSCRIBE, P.UNSUBSCRIBE)),
  define(0x27, "maximumPacketSize", "uint32", bits(P.CONNECT, P.CONNACK), true),
  define(0x28, "wildcardSubscriptionAvailable", "flag", bits(P.CONNACK)),
  define(0x29, "subscriptionIdentifiersAvailable", "flag", bits(P.CONNACK)),
  define(0x2a, "sharedSubscriptionAvailable", "flag", bits(P.CONNACK)),
];

const byId: (Definition | undefined)[] = [];
for (const definition of definitions) byId[definition.id] = definition;

function malformed(message: string): MqttProtocolError {
  return new MqttProtocolError(Reason.MALFORMED_PACKET, message);
}

function definitionOf(id: number, packetType: number): Definition {
  const definition = byId[id];
  if (definition === undefined) throw malformed(`Unknown property: 0x${id.toString(16)}`);
  if ((definition.packets & (1 << packetType)) === 0) {
    throw new MqttProtocolError(Reason.PROTOCOL_ERROR, `Property does not belong in this packet: ${definition.name}`);
  }
  return definition;
}

function readValue(cursor: Cursor, definition: Definition): unknown {
  switch (definition.encoding) {
    case "flag":
    case "byte":
      return cursor.byte();
    case "uint16":
      return cursor.uint16();
    case "uint32":
      return cursor.uint32();
    case "varint":
      return cursor.varint();
    case "text":
      return cursor.text();
    case "bytes":
      return cursor.binary();
    case "pair": {
      const name = cursor.text();
      return [name, cursor.text()];
    }
    default:
      return definition.encoding satisfies never;
  }
}

/**
 * Reads the properties at the cursor: their length, then each of them.
 *
 * @param packetType the packet that carries them, or {@linkcode WILL}
 * @returns undefined when there are none
 * @throws {MqttProtocolError} when one is unknown, misplaced, repeated, out of range or cut short
 */
export function decodeProperties(cursor: Cursor, packetType: number): Properties | undefined {
  const length = cursor.varint();
  if (length === 0) return undefined;
  const end = cursor.skip(length) + length;
  const inner = new Cursor(cursor.bytes, end - length, end);
  const properties: Properties = {};
  const record = properties as Record<string, unknown>;
  while (inner.left > 0) {
    const definition = definitionOf(inner.varint(), packetType);
    const value = readValue(inner, definition);
    if ((definition.positive && value === 0) || (definition.encoding === "flag" && (value as number) > 1)) {
      throw new MqttProtocolError(Reason.PROTOCOL_ERROR, `Property out of range: ${definition.name} is ${value}`);
    }
    const repeats = definition.encoding === "pair" ||
      (definition.encoding === "varint" && packetType === PacketType.PUBLISH);
    if (definition.encoding === "pair" || definition.encoding === "varint") {
      const list = (record[definition.name] ??= []) as unknown[];
      if (list.length > 0 && !repeats) throw repeated(definition);
      list.push(value);
    } else {
      if (record[definition.name] !== undefined) throw repeated(definition);
      record[definition.name] = value;
    }
  }
  return properties;
}

function repeated(definition: Definition): MqttProtocolError {
  return new MqttProtocolError(Reason.PROTOCOL_ERROR, `Property given twice: ${definition.name}`);
}

function writeValue(writer: ByteWriter, definition: Definition, value: unknown): void {
  writer.byte(definition.id);
  switch (definition.encoding) {
    case "flag":
    case "byte":
      return writer.byte(value as number);
    case "uint16":
      return writer.uint16(value as number);
    case "uint32":
      return writer.uint32(value as number);
    case "varint":
      return writer.varint(value as number);
    case "text":
      return writer.text(value as string);
    case "bytes":
      return writer.binary(value as Uint8Array);
    case "pair": {
      const [name, text] = value as [string, string];
      writer.text(name);
      return writer.text(text);
    }
    default:
      return definition.encoding satisfies never;
  }
}

/**
 * Writes the length of the properties and the properties themselves.
 *
 * @throws {RangeError} when a value does not fit its field, or a property does not belong in the packet
 */
export function encodeProperties(writer: ByteWriter, properties: Properties | undefined, packetType: number): void {
  if (properties === undefined) return writer.byte(0);
  const inner = new ByteWriter();
  const record = properties as Record<string, unknown>;
  for (const definition of definitions) {
    const value = record[definition.name];
    if (value === undefined) continue;
    if ((definition.packets & (1 << packetType)) === 0) {
      throw new RangeError(`Cannot encode property in this packet: ${definition.name}`);
    }
    if (definition.encoding === "pair" || definition.encoding === "varint") {
      for (const item of value as unknown[]) writeValue(inner, definition, item);
    } else {
      writeValue(inner, definition, value);
    }
  }
  writer.varint(inner.length);
  writer.raw(inner.finish());
}
