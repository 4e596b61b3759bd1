/**
 * The few packets of MQTT 3.1.1 that a load needs. Written for the benchmark alone, so that neither the load nor the
 * count of what arrives depends on the client under test.
 * @module
 */
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";

function string(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function packet(header: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const length: number[] = [];
  let rest = body.length;
  do {
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return Buffer.concat([Buffer.from([header, ...length]), body]);
}

/** A PUBLISH with QoS 0; the payload is its last bytes. */
export function publishPacket(topic: string, payload: Buffer): Buffer {
  return packet(0x30, string(topic), payload);
}

/** Connects with a clean session and waits for the broker's consent. */
export function openConnection(port: number, clientId: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    socket.on("error", reject);
    // Keep-alive 0: the broker sends no pings and expects none.
    socket.write(packet(0x10, string("MQTT"), Buffer.from([4, 2, 0, 0]), string(clientId)));
    socket.once("data", (reply: Buffer) => {
      if (reply[0] === 0x20 && reply[3] === 0) resolve(socket);
      else reject(new Error(`Cannot connect to the broker: it answered ${reply.toString("hex")}`));
    });
  });
}

/** Subscribes with QoS 0 and hands each payload to `take`; resolves when the broker has confirmed. */
export function subscribe(socket: Socket, topic: string, take: (payload: Buffer) => void): Promise<void> {
  return new Promise((resolve) => {
    let rest: Buffer = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      while (true) {
        const end = packetEnd(bytes, start);
        if (end === undefined || end.end > bytes.length) break;
        const type = bytes[start]! >> 4;
        if (type === 9) resolve();
        if (type === 3) take(bytes.subarray(end.body + 2 + bytes.readUInt16BE(end.body), end.end));
        start = end.end;
      }
      rest = bytes.subarray(start);
    });
    socket.write(packet(0x82, Buffer.from([0, 1]), string(topic), Buffer.from([0])));
  });
}

/** Where the body of the packet at `start` begins and ends; undefined while its length is incomplete. */
function packetEnd(bytes: Buffer, start: number): { body: number; end: number } | undefined {
  let length = 0;
  for (let index = start + 1, shift = 0; index < bytes.length; index++, shift += 7) {
    length |= (bytes[index]! & 0x7f) << shift;
    if (bytes[index]! < 0x80) return { body: index + 1, end: index + 1 + length };
  }
  return undefined;
}
