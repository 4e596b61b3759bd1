/**
 * A broker for tests that keeps one session and sends messages of QoS 2 in it as the protocol says: again what was not
 * answered, and the lowest free identifier for the next message, so that identifiers are used again as soon as they may.
 * @module
 */
import { type FakeBroker, type FakePeer, message, politely, startFakeBroker } from "./fake_broker.ts";
import { type Packet, PacketType } from "../protocol/packet.ts";

interface Sent {
  readonly payload: string;
  /** PUBREC has come. */
  received: boolean;
}

export class SessionBroker {
  readonly #windowMax: number;
  /** Called before each packet is taken or sent; the packet is lost when it ends the connection. */
  readonly #onStep: () => void;
  #broker: FakeBroker | undefined;
  #peer: FakePeer | undefined;
  #present = false;
  #subscribed = false;
  #queue: string[] = [];
  #sent = new Map<number, Sent>();

  constructor(windowMax: number, onStep: () => void) {
    this.#windowMax = windowMax;
    this.#onStep = onStep;
  }

  async start(): Promise<void> {
    this.#broker = await startFakeBroker((peer, packet) => this.#take(peer, packet));
  }

  async stop(): Promise<void> {
    await this.#broker!.stop();
  }

  get url(): string {
    return this.#broker!.url;
  }

  /** Whether a message that is published now reaches the session. */
  get subscribed(): boolean {
    return this.#subscribed;
  }

  /** Nothing is on its way. */
  get idle(): boolean {
    return this.#queue.length === 0 && this.#sent.size === 0;
  }

  /** Messages that wait for PUBCOMP. */
  get released(): number {
    return [...this.#sent.values()].filter(({ received }) => received).length;
  }

  publish(payload: string): void {
    if (!this.#subscribed) return;
    this.#queue.push(payload);
    this.#fill();
  }

  /** The connection is lost at once, with all that is on its way. */
  cut(): void {
    const peer = this.#peer;
    this.#peer = undefined;
    peer?.socket.destroy();
  }

  /** As {@linkcode cut}, and the session with it. */
  forget(): void {
    this.cut();
    this.#present = false;
    this.#subscribed = false;
    this.#queue = [];
    this.#sent.clear();
  }

  #take(peer: FakePeer, packet: Packet): void {
    if (packet.type === PacketType.CONNECT) this.#peer = peer;
    this.#onStep();
    if (peer !== this.#peer) return;
    switch (packet.type) {
      case PacketType.CONNECT:
        return this.#accept(peer);
      case PacketType.SUBSCRIBE:
        politely(peer, packet);
        this.#subscribed = true;
        return this.#fill();
      case PacketType.PUBREC: {
        const sent = this.#sent.get(packet.packetId);
        if (sent !== undefined) sent.received = true;
        return this.#release(packet.packetId);
      }
      case PacketType.PUBCOMP:
        this.#sent.delete(packet.packetId);
        return this.#fill();
      default:
        return politely(peer, packet);
    }
  }

  #accept(peer: FakePeer): void {
    const sessionPresent = this.#present;
    this.#present = true;
    this.#onStep();
    if (peer !== this.#peer) return;
    peer.send({ type: PacketType.CONNACK, sessionPresent, code: 0 });
    this.#sendAgain();
  }

  #sendAgain(): void {
    for (const [id, { payload, received }] of this.#sent) {
      if (received) this.#release(id);
      else this.#send(message("t", 2, id, payload, true));
    }
    this.#fill();
  }

  #release(packetId: number): void {
    this.#send({ type: PacketType.PUBREL, packetId, reasonCode: 0 });
  }

  #fill(): void {
    while (this.#peer !== undefined && this.#queue.length > 0 && this.#sent.size < this.#windowMax) {
      let id = 1;
      while (this.#sent.has(id)) id++;
      const payload = this.#queue.shift()!;
      this.#sent.set(id, { payload, received: false });
      this.#send(message("t", 2, id, payload));
    }
  }

  #send(packet: Packet): void {
    if (this.#peer === undefined) return;
    this.#onStep();
    this.#peer?.send(packet);
  }
}
