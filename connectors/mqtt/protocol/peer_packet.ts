/**
 * Our packets in the words of mqtt-packet, for tests.
 * @module
 */
import { Buffer } from "node:buffer";
import { type Packet, PacketType, type ProtocolLevel } from "./packet.ts";
import type { Properties } from "./properties.ts";

const names = Object.fromEntries(Object.entries(PacketType).map(([name, type]) => [type, name.toLowerCase()]));

const booleans = new Set([
  "payloadFormatIndicator",
  "requestResponseInformation",
  "requestProblemInformation",
  "retainAvailable",
  "wildcardSubscriptionAvailable",
  "subscriptionIdentifiersAvailable",
  "sharedSubscriptionAvailable",
]);

const renamed: Readonly<Record<string, string>> = {
  maximumQos: "maximumQoS",
  subscriptionIdentifiers: "subscriptionIdentifier",
};

function peerProperties(properties: Properties | undefined): Record<string, unknown> {
  if (properties === undefined) return {};
  const entries = Object.entries(properties).map(([name, value]): [string, unknown] => {
    if (name === "userProperties") return [name, peerUserProperties(value as [string, string][])];
    if (name === "subscriptionIdentifiers") return [renamed[name]!, (value as number[])[0]];
    if (value instanceof Uint8Array) return [name, Buffer.from(value)];
    return [renamed[name] ?? name, booleans.has(name) ? value === 1 : value];
  });
  return { properties: Object.fromEntries(entries) };
}

function peerUserProperties(pairs: [string, string][]): Record<string, string | string[]> {
  const grouped: Record<string, string | string[]> = {};
  for (const [name, value] of pairs) {
    const before = grouped[name];
    grouped[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  return grouped;
}

/** What mqtt-packet calls the packet: to be generated, or as its parser reports it. */
export function toPeer(packet: Packet, level: ProtocolLevel): Record<string, unknown> {
  const cmd = names[packet.type]!;
  const properties = "properties" in packet ? peerProperties(packet.properties) : {};
  const v5 = level === 5;
  switch (packet.type) {
    case PacketType.CONNECT: {
      const { will } = packet;
      return {
        cmd,
        protocolId: level === 3 ? "MQIsdp" : "MQTT",
        protocolVersion: level,
        clientId: packet.clientId,
        clean: packet.clean,
        keepalive: packet.keepAlive,
        ...(packet.username === undefined ? {} : { username: packet.username }),
        ...(packet.password === undefined ? {} : { password: Buffer.from(packet.password) }),
        ...(will === undefined ? {} : {
          will: {
            topic: will.topic,
            payload: Buffer.from(will.payload),
            qos: will.qos,
            retain: will.retain,
            ...peerProperties(will.properties),
          },
        }),
        ...properties,
      };
    }
    case PacketType.CONNACK:
      return {
        cmd,
        sessionPresent: packet.sessionPresent,
        [v5 ? "reasonCode" : "returnCode"]: packet.code,
        ...properties,
      };
    case PacketType.PUBLISH:
      return {
        cmd,
        topic: packet.topic,
        payload: Buffer.from(packet.payload),
        qos: packet.qos,
        retain: packet.retain,
        dup: packet.dup,
        ...(packet.qos > 0 ? { messageId: packet.packetId } : {}),
        ...properties,
      };
    case PacketType.PUBACK:
    case PacketType.PUBREC:
    case PacketType.PUBREL:
    case PacketType.PUBCOMP:
      return { cmd, messageId: packet.packetId, ...(v5 ? { reasonCode: packet.reasonCode } : {}), ...properties };
    case PacketType.SUBSCRIBE: {
      const subscriptions = packet.filters.map((entry) => ({
        topic: entry.filter,
        qos: entry.qos,
        ...(v5 ? { nl: entry.noLocal, rap: entry.retainAsPublished, rh: entry.retainHandling } : {}),
      }));
      return { cmd, messageId: packet.packetId, subscriptions, ...properties };
    }
    case PacketType.SUBACK:
      return { cmd, messageId: packet.packetId, granted: packet.codes, ...properties };
    case PacketType.UNSUBSCRIBE:
      return { cmd, messageId: packet.packetId, unsubscriptions: packet.filters, ...properties };
    case PacketType.UNSUBACK:
      return { cmd, messageId: packet.packetId, ...(v5 ? { granted: packet.codes } : {}), ...properties };
    case PacketType.PINGREQ:
    case PacketType.PINGRESP:
      return { cmd };
    case PacketType.DISCONNECT:
    case PacketType.AUTH:
      return { cmd, ...(v5 ? { reasonCode: packet.reasonCode } : {}), ...properties };
    default:
      return packet satisfies never;
  }
}
