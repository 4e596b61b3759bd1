/**
 * For tests: a way between a client and a server over UDP, on which datagrams get lost, doubled, late or mutilated.
 * @module
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { decodeMessage, type Message } from "./protocol/message.ts";

/** What becomes of a datagram: as often and as late as listed, each perhaps changed. */
export type Fate = (message: Message, bytes: Uint8Array, way: "there" | "back") => readonly Passage[];

export interface Passage {
  readonly bytes?: Uint8Array;
  readonly delayMs?: number;
}

export interface LossyLink {
  readonly port: number;
  /** All messages that were sent, whatever became of them. */
  readonly seen: { readonly way: "there" | "back"; readonly message: Message }[];
  fate: Fate;
  close(): Promise<void>;
}

export const pass: readonly Passage[] = [{}];
export const lose: readonly Passage[] = [];

/** Passes datagrams of one client on to `port`, and back. */
export async function startLossyLink(port: number): Promise<LossyLink> {
  const front = createSocket("udp4");
  const back = createSocket("udp4");
  const timers = new Set<ReturnType<typeof setTimeout>>();
  let client = 0;
  let isOpen = true;
  const link: LossyLink = {
    port: 0,
    seen: [],
    fate: () => pass,
    close: async () => {
      isOpen = false;
      for (const timer of timers) clearTimeout(timer);
      await Promise.all([front, back].map((socket) => new Promise<void>((done) => socket.close(() => done()))));
    },
  };
  const carry = (bytes: Uint8Array, way: "there" | "back", socket: Socket, to: () => number) => {
    const message = decodeMessage(bytes);
    link.seen.push({ way, message });
    for (const { bytes: other = bytes, delayMs = 0 } of link.fate(message, bytes, way)) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        if (isOpen) socket.send(other, to(), "127.0.0.1");
      }, delayMs);
      timers.add(timer);
    }
  };
  front.on("message", (bytes, from) => {
    client = from.port;
    carry(bytes, "there", back, () => port);
  });
  back.on("message", (bytes) => carry(bytes, "back", front, () => client));
  for (const socket of [front, back]) {
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
  }
  return Object.assign(link, { port: front.address().port });
}
