/**
 * TCP and TLS.
 * @module
 */
import { Buffer } from "node:buffer";
import * as net from "node:net";
import * as tls from "node:tls";
import type { Pem, TlsOptions } from "./connection.ts";
import { ReadRests } from "./read_rests.ts";
import type { ServerAddress } from "./server_address.ts";
import type { Transport, TransportEvents } from "./transport.ts";

/** Room for one read; what it brought is copied out, and only the part in use takes memory. */
const readBytes = 65_536;

/** Opens a socket to the address. Never throws: what goes wrong arrives at `onClose`. */
export function openSocket(
  address: ServerAddress,
  options: TlsOptions | undefined,
  events: TransportEvents,
): Transport {
  let failure: Error | undefined;
  let closed = false;
  const take = (chunk: Uint8Array): void => {
    if (!closed) events.onData(chunk);
  };
  const takeAndRest = (chunk: Uint8Array): void => {
    take(chunk);
    // A read that came back full left something behind: a rest would only let that wait.
    if (!closed && chunk.length < readBytes) reads.after(events.patient);
  };
  const socket = address.secure ? connectTls(address, options ?? {}) : connectPlain(address, takeAndRest);
  // Only a plain socket rests: TLS has a stream below that would go on reading ahead.
  if (address.secure) socket.on("data", take);
  const reads = new ReadRests(socket);
  socket.on(address.secure ? "secureConnect" : "connect", () => {
    if (closed) return;
    socket.setNoDelay(true);
    events.onOpen();
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

/**
 * With `onread` the socket hands over what it reads without a stream in between: that costs less, and a paused stream
 * would go on reading ahead, so that its next piece is one that has waited.
 */
function connectPlain({ host, port }: ServerAddress, take: (chunk: Uint8Array) => void): net.Socket {
  const callback = (length: number, bytes: Uint8Array): boolean => {
    const chunk = Buffer.allocUnsafe(length);
    chunk.set(length === bytes.length ? bytes : bytes.subarray(0, length));
    take(chunk);
    return true;
  };
  return net.connect({ host, port, onread: { buffer: Buffer.allocUnsafeSlow(readBytes), callback } });
}

function connectTls({ host, port }: ServerAddress, options: TlsOptions): net.Socket {
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
