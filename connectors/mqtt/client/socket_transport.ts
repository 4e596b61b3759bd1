/**
 * TCP and TLS.
 * @module
 */
import { Buffer } from "node:buffer";
import * as net from "node:net";
import * as tls from "node:tls";
import type { Pem, TlsOptions } from "./connection.ts";
import { ReadRests, restingSocketOptions } from "./read_rests.ts";
import type { ServerAddress } from "./server_address.ts";
import type { Transport, TransportEvents } from "./transport.ts";

/** Opens a socket to the address. Never throws: what goes wrong arrives at `onClose`. */
export function openSocket(
  address: ServerAddress,
  options: TlsOptions | undefined,
  events: TransportEvents,
): Transport {
  const socket = connectSocket(address, options ?? {});
  let failure: Error | undefined;
  let closed = false;
  socket.on(address.secure ? "secureConnect" : "connect", () => {
    if (closed) return;
    socket.setNoDelay(true);
    events.onOpen();
  });
  const reads = new ReadRests(socket);
  socket.on("data", (chunk: Uint8Array) => {
    if (closed) return;
    events.onData(chunk);
    // TLS has a stream of its own below, which would read ahead.
    if (!address.secure) reads.after(events.patient && !closed);
  });
  socket.on("drain", () => {
    if (!closed) events.onDrain();
  });
  // A paused or half-open socket would otherwise linger after the peer has gone.
  socket.on("end", () => socket.destroy());
  socket.on("error", (error: Error) => {
    failure ??= error;
    socket.destroy();
  });
  socket.on("close", () => {
    if (closed) return;
    closed = true;
    reads.stop();
    events.onClose(failure);
  });
  return {
    write(chunks) {
      if (chunks.length === 1) return socket.write(chunks[0]!);
      socket.cork();
      let room = true;
      for (const chunk of chunks) room = socket.write(chunk);
      socket.uncork();
      return room;
    },
    pause: () => reads.pause(),
    resume: () => reads.resume(),
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  };
}

/** Also what a WebSocket runs over. */
export function connectSocket(address: ServerAddress, options: TlsOptions): net.Socket {
  const { host, port } = address;
  if (!address.secure) return new net.Socket(restingSocketOptions).connect({ host, port });
  const serverName = options.serverName ?? (net.isIP(host) === 0 ? host : undefined);
  return tls.connect({
    host,
    port,
    rejectUnauthorized: options.rejectUnauthorized ?? true,
    minVersion: options.minVersion ?? "TLSv1.2",
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(options.ca === undefined ? {} : { ca: pem(options.ca) }),
    ...(options.cert === undefined ? {} : { cert: pem(options.cert) }),
    ...(options.key === undefined ? {} : { key: pem(options.key) }),
    ...(options.passphrase === undefined ? {} : { passphrase: options.passphrase }),
    ...(options.alpn === undefined ? {} : { ALPNProtocols: [...options.alpn] }),
  });
}

/** As Node's TLS wants it: text or buffers. */
function pem(value: Pem): string | Buffer | (string | Buffer)[] {
  const one = (item: string | Uint8Array): string | Buffer => typeof item === "string" ? item : Buffer.from(item);
  return typeof value === "string" || value instanceof Uint8Array ? one(value) : value.map(one);
}
