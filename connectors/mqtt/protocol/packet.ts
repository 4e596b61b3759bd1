/**
 * The packets of MQTT 3.1, 3.1.1 and 5 as plain objects.
 * @module
 */
import type { Properties } from "./properties.ts";

/** Packet types as they stand in the high half of the first byte. */
export const PacketType = {
  CONNECT: 1,
  CONNACK: 2,
  PUBLISH: 3,
  PUBACK: 4,
  PUBREC: 5,
  PUBREL: 6,
  PUBCOMP: 7,
  SUBSCRIBE: 8,
  SUBACK: 9,
  UNSUBSCRIBE: 10,
  UNSUBACK: 11,
  PINGREQ: 12,
  PINGRESP: 13,
  DISCONNECT: 14,
  AUTH: 15,
} as const;

/** Protocol levels as they stand in CONNECT: 3 is MQTT 3.1, 4 is 3.1.1. */
export type ProtocolLevel = 3 | 4 | 5;
export type Qos = 0 | 1 | 2;

/** Largest remaining length the protocol can express. */
export const REMAINING_LENGTH_MAX = 268_435_455;

export interface WillPacket {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties?: Properties;
}

export interface ConnectPacket {
  readonly type: typeof PacketType.CONNECT;
  readonly level: ProtocolLevel;
  readonly clientId: string;
  readonly clean: boolean;
  /** Seconds. */
  readonly keepAlive: number;
  readonly username?: string;
  readonly password?: Uint8Array;
  readonly will?: WillPacket;
  readonly properties?: Properties;
}

export interface ConnackPacket {
  readonly type: typeof PacketType.CONNACK;
  readonly sessionPresent: boolean;
  /** As on the wire: a return code before MQTT 5, a reason code in it. */
  readonly code: number;
  readonly properties?: Properties;
}

export interface PublishPacket {
  readonly type: typeof PacketType.PUBLISH;
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
  /** 0 for QoS 0. */
  readonly packetId: number;
  readonly properties?: Properties;
}

export type AckType =
  | typeof PacketType.PUBACK
  | typeof PacketType.PUBREC
  | typeof PacketType.PUBREL
  | typeof PacketType.PUBCOMP;

export interface AckPacket {
  readonly type: AckType;
  readonly packetId: number;
  /** Always 0 before MQTT 5. */
  readonly reasonCode: number;
  readonly properties?: Properties;
}

export interface FilterEntry {
  readonly filter: string;
  readonly qos: Qos;
  /** The last three are MQTT 5 only. */
  readonly noLocal?: boolean;
  readonly retainAsPublished?: boolean;
  readonly retainHandling?: 0 | 1 | 2;
}

export interface SubscribePacket {
  readonly type: typeof PacketType.SUBSCRIBE;
  readonly packetId: number;
  readonly filters: readonly FilterEntry[];
  readonly properties?: Properties;
}

export interface SubackPacket {
  readonly type: typeof PacketType.SUBACK;
  readonly packetId: number;
  /** One a filter, in order: the granted QoS, or 0x80 and above for a refusal. */
  readonly codes: readonly number[];
  readonly properties?: Properties;
}

export interface UnsubscribePacket {
  readonly type: typeof PacketType.UNSUBSCRIBE;
  readonly packetId: number;
  readonly filters: readonly string[];
  readonly properties?: Properties;
}

export interface UnsubackPacket {
  readonly type: typeof PacketType.UNSUBACK;
  readonly packetId: number;
  /** One a filter in MQTT 5, empty before. */
  readonly codes: readonly number[];
  readonly properties?: Properties;
}

export interface PingPacket {
  readonly type: typeof PacketType.PINGREQ | typeof PacketType.PINGRESP;
}

export interface DisconnectPacket {
  readonly type: typeof PacketType.DISCONNECT;
  /** Always 0 before MQTT 5. */
  readonly reasonCode: number;
  readonly properties?: Properties;
}

export interface AuthPacket {
  readonly type: typeof PacketType.AUTH;
  readonly reasonCode: number;
  readonly properties?: Properties;
}

/** Every packet but PUBLISH and its four answers, which the parser hands over without an object. */
export type ControlPacket =
  | ConnectPacket
  | ConnackPacket
  | SubscribePacket
  | SubackPacket
  | UnsubscribePacket
  | UnsubackPacket
  | PingPacket
  | DisconnectPacket
  | AuthPacket;

export type Packet = ControlPacket | PublishPacket | AckPacket;
