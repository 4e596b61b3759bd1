/**
 * A WebSocket server that passes the bytes on to a TCP port: what a broker with a WebSocket listener does. For tests.
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect, type Socket } from "node:net";

export interface WebSocketBridge {
  readonly port: number;
  /** What clients asked for: path and offered subprotocols. */
  readonly requests: { readonly path: string | undefined; readonly protocols: string | undefined }[];
  /** PONGs that came back. */
  readonly pongs: number;
  stop(): Promise<void>;
}

export interface BridgeOptions {
  /** PEM certificate and key, for `wss:`. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Size of the frames that data is cut into; default what one socket read brought. */
  readonly frameBytes?: number;
  /** Answers every request with this status instead. */
  readonly refuse?: string;
  /** Sends these bytes right after the handshake, instead of what the broker says. */
  readonly raw?: Uint8Array;
}

/** Starts one before the broker on `brokerPort`. */
export async function startWebSocketBridge(brokerPort: number, options: BridgeOptions = {}): Promise<WebSocketBridge> {
  const requests: { path: string | undefined; protocols: string | undefined }[] = [];
  const sockets = new Set<Socket>();
  let pongs = 0;
  const server = options.tls === undefined ? createServer() : createTlsServer(options.tls);
  server.on("upgrade", (request, upgraded) => {
    const socket = upgraded as Socket;
    sockets.add(socket);
    socket.on("error", () => {});
    requests.push({ path: request.url, protocols: request.headers["sec-websocket-protocol"] });
    if (options.refuse !== undefined) return void socket.end(`HTTP/1.1 ${options.refuse}\r\n\r\n`);
    const accept = createHash("sha1")
      .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    const head = ["HTTP/1.1 101 Switching Protocols", "Upgrade: WebSocket", "Connection: Upgrade"];
    socket.write(`${head.join("\r\n")}\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n`);
    if (options.raw !== undefined) return void socket.write(options.raw);
    const broker = connect({ host: "127.0.0.1", port: brokerPort });
    sockets.add(broker);
    broker.on("error", () => {});
    broker.on("data", (chunk: Uint8Array) => {
      const size = options.frameBytes ?? chunk.length;
      // A PING in between, and an unfinished frame before the last: both are allowed at any time.
      const frames = [frame(0x89, Buffer.from("ping"))];
      for (let i = 0; i < chunk.length; i += size) {
        const last = i + size >= chunk.length;
        frames.push(frame((last ? 0x80 : 0) | (i === 0 ? 2 : 0), chunk.subarray(i, i + size)));
      }
      if (!socket.write(Buffer.concat(frames))) broker.pause();
    });
    socket.on("drain", () => broker.resume());
    broker.on("close", () => socket.end(frame(0x88, Uint8Array.of(3, 232))));
    socket.on("close", () => broker.destroy());
    const take = unmask((opcode, payload) => {
      if (opcode === 10) pongs++;
      else if (opcode === 8) broker.end();
      else broker.write(payload);
    });
    socket.on("data", take);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    requests,
    get pongs() {
      return pongs;
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function frame(first: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  if (length < 126) return Buffer.concat([Uint8Array.of(first, length), payload]);
  const head = Buffer.alloc(length < 65_536 ? 4 : 10);
  head[0] = first;
  head[1] = length < 65_536 ? 126 : 127;
  if (length < 65_536) head.writeUInt16BE(length, 2);
  else head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}

/** Takes the frames off a client's stream, which are whole and masked. */
function unmask(onFrame: (opcode: number, payload: Buffer) => void): (chunk: Uint8Array) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 6) {
      const short = rest[1]! & 0x7f;
      const start = short === 126 ? 8 : short === 127 ? 14 : 6;
      if (rest.length < start) return;
      const length = short === 126 ? rest.readUInt16BE(2) : short === 127 ? Number(rest.readBigUInt64BE(2)) : short;
      if ((rest[1]! & 0x80) === 0) throw new Error("client frame is not masked");
      if (rest.length < start + length) return;
      const payload = Buffer.from(rest.subarray(start, start + length));
      for (let i = 0; i < length; i++) payload[i]! ^= rest[start - 4 + (i & 3)]!;
      onFrame(rest[0]! & 15, payload);
      rest = rest.subarray(start + length);
    }
  };
}
