/**
 * Random valid packets from a seed, for tests.
 * @module
 */
import {
  type ConnectPacket,
  type FilterEntry,
  type Packet,
  PacketType,
  type ProtocolLevel,
  type PublishPacket,
  type Qos,
} from "./packet.ts";
import type { Properties } from "./properties.ts";
import { Reason } from "./reason.ts";

const ALPHABET = ["a", "b", "Z", "7", "-", " ", "é", "水", "𝄞", "\ufeff", "/", "$"];
const P = PacketType;

/** What the properties of each packet may be; 0 is the will. */
const allowed: Readonly<Record<number, readonly (keyof Properties)[]>> = {
  0: [
    "payloadFormatIndicator",
    "messageExpiryInterval",
    "contentType",
    "responseTopic",
    "correlationData",
    "willDelayInterval",
  ],
  [P.CONNECT]: [
    "sessionExpiryInterval",
    "receiveMaximum",
    "maximumPacketSize",
    "topicAliasMaximum",
    "requestResponseInformation",
    "requestProblemInformation",
  ],
  [P.CONNACK]: [
    "sessionExpiryInterval",
    "receiveMaximum",
    "maximumQos",
    "retainAvailable",
    "maximumPacketSize",
    "assignedClientIdentifier",
    "topicAliasMaximum",
    "reasonString",
    "wildcardSubscriptionAvailable",
    "subscriptionIdentifiersAvailable",
    "sharedSubscriptionAvailable",
    "serverKeepAlive",
    "responseInformation",
    "serverReference",
  ],
  [P.PUBLISH]: [
    "payloadFormatIndicator",
    "messageExpiryInterval",
    "topicAlias",
    "responseTopic",
    "correlationData",
    "subscriptionIdentifiers",
    "contentType",
  ],
  [P.PUBACK]: ["reasonString"],
  [P.PUBREC]: ["reasonString"],
  [P.PUBREL]: ["reasonString"],
  [P.PUBCOMP]: ["reasonString"],
  [P.SUBSCRIBE]: ["subscriptionIdentifiers"],
  [P.SUBACK]: ["reasonString"],
  [P.UNSUBSCRIBE]: [],
  [P.UNSUBACK]: ["reasonString"],
  [P.DISCONNECT]: ["sessionExpiryInterval", "reasonString", "serverReference"],
  [P.AUTH]: ["authenticationMethod", "authenticationData", "reasonString"],
};

export class PacketGenerator {
  readonly #level: ProtocolLevel;
  #state: number;

  constructor(seed: number, level: ProtocolLevel) {
    this.#state = seed >>> 0;
    this.#level = level;
  }

  /** Mulberry32: small, seedable, good enough to choose test data. */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** A whole number in [from, to]. */
  int(from: number, to: number): number {
    return from + Math.floor(this.random() * (to - from + 1));
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  text(min = 0, max = 12): string {
    return Array.from({ length: this.int(min, max) }, () => ALPHABET[this.int(0, ALPHABET.length - 1)]).join("");
  }

  bytes(max = 20): Uint8Array {
    return Uint8Array.from({ length: this.int(0, max) }, () => this.int(0, 255));
  }

  #id(): number {
    return this.chance(0.1) ? 65_535 : this.int(1, 65_534);
  }

  #qos(): Qos {
    return this.int(0, 2) as Qos;
  }

  #filter(): string {
    const levels = Array.from({ length: this.int(1, 4) }, () => this.chance(0.3) ? "+" : `x${this.text(0, 5)}`);
    if (this.chance(0.3)) levels.push("#");
    const filter = levels.join("/");
    return this.chance(0.2) ? `$share/group/${filter}` : filter;
  }

  #value(name: keyof Properties): Properties[keyof Properties] {
    switch (name) {
      case "payloadFormatIndicator":
      case "requestResponseInformation":
      case "requestProblemInformation":
      case "maximumQos":
      case "retainAvailable":
      case "wildcardSubscriptionAvailable":
      case "subscriptionIdentifiersAvailable":
      case "sharedSubscriptionAvailable":
        return this.int(0, 1);
      case "receiveMaximum":
      case "topicAlias":
        return this.int(1, 65_535);
      case "topicAliasMaximum":
      case "serverKeepAlive":
        return this.int(0, 65_535);
      case "messageExpiryInterval":
      case "sessionExpiryInterval":
      case "willDelayInterval":
        return this.int(0, 0xffffffff);
      case "maximumPacketSize":
        return this.int(1, 0xffffffff);
      case "subscriptionIdentifiers":
        return [this.chance(0.5) ? this.int(1, 127) : this.int(128, 268_435_455)];
      case "correlationData":
      case "authenticationData":
        return this.bytes();
      case "userProperties":
        return [];
      default:
        return this.text(1);
    }
  }

  /** @param type the packet they are for; 0 is the will */
  properties(type: number): { properties?: Properties } {
    if (this.#level !== 5 || (type !== P.AUTH && this.chance(0.5))) return {};
    const properties: Record<string, unknown> = {};
    for (const name of allowed[type]!) {
      if (type === P.AUTH || this.chance(0.4)) properties[name] = this.#value(name);
    }
    if (this.chance(0.4)) {
      // The peer groups user properties by name, so equal names stand together here; order has a test of its own.
      properties["userProperties"] = [["b", "2"], ["b", "1"], ["a", this.text()]].slice(0, this.int(1, 3));
    }
    return Object.keys(properties).length === 0 ? {} : { properties: properties as Properties };
  }

  publish(): PublishPacket {
    const qos = this.#qos();
    const size = this.chance(0.05) ? this.int(100, 40_000) : this.int(0, 200);
    return {
      type: P.PUBLISH,
      topic: `t/${this.text()}`,
      payload: Uint8Array.from({ length: size }, (_, i) => (i * 7) & 255),
      qos,
      retain: this.chance(0.3),
      dup: qos > 0 && this.chance(0.3),
      packetId: qos > 0 ? this.#id() : 0,
      ...this.properties(P.PUBLISH),
    };
  }

  connect(): ConnectPacket {
    const username = this.chance(0.5) ? { username: this.text(1) } : {};
    const password = "username" in username && this.chance(0.5) ? { password: this.bytes() } : {};
    const will = {
      topic: `w/${this.text()}`,
      payload: Uint8Array.from([1, ...this.bytes()]),
      qos: this.#qos(),
      retain: this.chance(0.5),
      ...this.properties(0),
    };
    return {
      type: P.CONNECT,
      level: this.#level,
      clientId: `c${this.text()}`,
      clean: this.chance(0.5),
      keepAlive: this.int(0, 65_535),
      ...(this.chance(0.5) ? { will } : {}),
      ...username,
      ...password,
      ...this.properties(P.CONNECT),
    };
  }

  /** A packet of any type that the level knows. */
  next(): Packet {
    const v5 = this.#level === 5;
    const type = this.int(1, v5 ? 15 : 14) as Packet["type"];
    const reason = v5 && this.chance(0.5) ? Reason.QUOTA_EXCEEDED : Reason.SUCCESS;
    switch (type) {
      case P.CONNECT:
        return this.connect();
      case P.PUBLISH:
        return this.publish();
      case P.CONNACK: {
        const code = v5 ? (this.chance(0.5) ? 0 : 0x87) : this.int(0, 5);
        return { type, sessionPresent: this.chance(0.5), code, ...this.properties(type) };
      }
      case P.PUBACK:
      case P.PUBREC:
        return { type, packetId: this.#id(), reasonCode: reason, ...this.properties(type) };
      case P.PUBREL:
      case P.PUBCOMP: {
        const reasonCode = reason === Reason.SUCCESS ? reason : Reason.PACKET_IDENTIFIER_NOT_FOUND;
        return { type, packetId: this.#id(), reasonCode, ...this.properties(type) };
      }
      case P.SUBSCRIBE: {
        const filters = Array.from({ length: this.int(1, 4) }, (): FilterEntry => ({
          filter: this.#filter(),
          qos: this.#qos(),
          ...(!v5 ? {} : {
            noLocal: this.chance(0.5),
            retainAsPublished: this.chance(0.5),
            retainHandling: this.int(0, 2) as 0 | 1 | 2,
          }),
        }));
        return { type, packetId: this.#id(), filters, ...this.properties(type) };
      }
      case P.SUBACK: {
        const codes = Array.from({ length: this.int(1, 4) }, () => this.chance(0.2) ? 0x80 : this.int(0, 2));
        return { type, packetId: this.#id(), codes, ...this.properties(type) };
      }
      case P.UNSUBSCRIBE: {
        const filters = Array.from({ length: this.int(1, 4) }, () => this.#filter());
        return { type, packetId: this.#id(), filters, ...this.properties(type) };
      }
      case P.UNSUBACK: {
        const codes = v5 ? Array.from({ length: this.int(1, 4) }, () => this.chance(0.3) ? 0x11 : 0) : [];
        return { type, packetId: this.#id(), codes, ...this.properties(type) };
      }
      case P.PINGREQ:
      case P.PINGRESP:
        return { type };
      case P.DISCONNECT:
        return { type, reasonCode: v5 && this.chance(0.5) ? 0x8e : 0, ...this.properties(type) };
      case P.AUTH:
        return { type, reasonCode: 0x18, ...this.properties(type) };
      default:
        return type satisfies never;
    }
  }
}
