/**
 * Turns what the parser reports into packet objects, for tests.
 * @module
 */
import type { AckType, ControlPacket, Packet, Qos } from "./packet.ts";
import { PacketType } from "./packet.ts";
import type { PacketHandler } from "./parser.ts";
import type { Properties } from "./properties.ts";

export class CollectingHandler implements PacketHandler {
  readonly packets: Packet[] = [];

  onPublish(
    topic: string,
    flags: number,
    packetId: number,
    bytes: Uint8Array,
    payloadStart: number,
    payloadEnd: number,
    subscriptionId: number,
    properties: Properties | undefined,
  ): void {
    const all = subscriptionId > 0 ? { subscriptionIdentifiers: [subscriptionId] } : properties;
    this.packets.push({
      type: PacketType.PUBLISH,
      topic,
      payload: Uint8Array.from(bytes.subarray(payloadStart, payloadEnd)),
      qos: ((flags >> 1) & 3) as Qos,
      retain: (flags & 1) !== 0,
      dup: (flags & 8) !== 0,
      packetId,
      ...(all === undefined ? {} : { properties: all }),
    });
  }

  onAck(type: AckType, packetId: number, reasonCode: number, properties: Properties | undefined): void {
    this.packets.push({ type, packetId, reasonCode, ...(properties === undefined ? {} : { properties }) });
  }

  onPacket(packet: ControlPacket): void {
    this.packets.push(packet);
  }
}
