/**
 * A broker that does what a test tells it, for the cases a real one will not show.
 * @module
 */
import { Buffer } from "node:buffer";
import { createServer, type Server, type Socket } from "node:net";
import { CollectingHandler } from "../protocol/collecting_handler.ts";
import { encodePacket } from "../protocol/encode.ts";
import { type Packet, PacketType, type ProtocolLevel } from "../protocol/packet.ts";
import { PacketParser } from "../protocol/parser.ts";

/** One client's connection, seen from the broker. */
export class FakePeer {
  readonly socket: Socket;
  /** Everything it has sent. */
  readonly packets: Packet[] = [];
  /** How many socket reads brought something. */
  reads = 0;
  level: ProtocolLevel = 4;
  closed = false;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  send(...packets: Packet[]): void {
    this.socket.write(Buffer.concat(packets.map((packet) => encodePacket(packet, this.level))));
  }

  /** Those of one type. */
  of<T extends Packet["type"]>(type: T): Extract<Packet, { type: T }>[] {
    return this.packets.filter((packet): packet is Extract<Packet, { type: T }> => packet.type === type);
  }
}

export interface FakeBroker {
  readonly port: number;
  readonly url: string;
  readonly peers: FakePeer[];
  /** The latest connection. */
  readonly last: FakePeer;
  stop(): Promise<void>;
}

/**
 * Starts one.
 *
 * @param onPacket called for each packet; what it does is all the broker does
 * @param onConnection called before anything was read
 */
export async function startFakeBroker(
  onPacket: (peer: FakePeer, packet: Packet) => void,
  onConnection: (peer: FakePeer) => void = () => {},
): Promise<FakeBroker> {
  const peers: FakePeer[] = [];
  const server: Server = createServer((socket) => {
    const peer = new FakePeer(socket);
    peers.push(peer);
    const handler = new CollectingHandler();
    const parser = new PacketParser(handler);
    socket.setNoDelay(true);
    socket.on("data", (chunk: Uint8Array) => {
      peer.reads++;
      parser.parse(chunk);
      peer.level = parser.level;
      for (const packet of handler.packets.splice(0)) {
        peer.packets.push(packet);
        onPacket(peer, packet);
      }
    });
    socket.on("error", () => {});
    socket.on("close", () => peer.closed = true);
    onConnection(peer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    url: `tcp://127.0.0.1:${address.port}`,
    peers,
    get last() {
      return peers.at(-1)!;
    },
    async stop() {
      for (const peer of peers) peer.socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** What a willing broker answers to a packet: the start of most scripts. */
export function politely(peer: FakePeer, packet: Packet, sessionPresent = false): void {
  switch (packet.type) {
    case PacketType.CONNECT:
      return peer.send({ type: PacketType.CONNACK, sessionPresent, code: 0 });
    case PacketType.SUBSCRIBE: {
      const codes = packet.filters.map(({ qos }) => qos);
      return peer.send({ type: PacketType.SUBACK, packetId: packet.packetId, codes });
    }
    case PacketType.UNSUBSCRIBE: {
      const codes = peer.level === 5 ? packet.filters.map(() => 0) : [];
      return peer.send({ type: PacketType.UNSUBACK, packetId: packet.packetId, codes });
    }
    case PacketType.PUBLISH:
      if (packet.qos === 0) return;
      return peer.send({
        type: packet.qos === 1 ? PacketType.PUBACK : PacketType.PUBREC,
        packetId: packet.packetId,
        reasonCode: 0,
      });
    case PacketType.PUBREL:
      return peer.send({ type: PacketType.PUBCOMP, packetId: packet.packetId, reasonCode: 0 });
    case PacketType.PINGREQ:
      return peer.send({ type: PacketType.PINGRESP });
    default:
  }
}

/** A message as a broker sends it. */
export function message(topic: string, qos: 0 | 1 | 2, packetId: number, payload = "x", dup = false): Packet {
  return { type: PacketType.PUBLISH, topic, payload, qos, retain: false, dup, packetId };
}
