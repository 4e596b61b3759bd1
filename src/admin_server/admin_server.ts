/**
 * Serves the admin interface to others than this machine: over `node:http`, with limits on what a client may take.
 *
 * The engines' own servers bound neither the time of a request nor the number of connections, and cannot show the
 * certificate of a client. Here a listener of `node:net` or `node:tls` takes the connections, so that each is known from
 * its first moment on, also before a handshake; `node:http` only reads requests from them and never listens itself.
 * Loaded where it is needed: the engine's own server costs less memory.
 * @module
 */
import {
  createServer as createHttp,
  type IncomingMessage,
  type Server as HttpReader,
  type ServerResponse,
} from "node:http";
import { type AddressInfo, createServer as createNet, type Server as Listener, type Socket } from "node:net";
import { createServer as createTls, type Server as TlsServer, type TLSSocket } from "node:tls";
import { checkPair } from "../certificates/key_pair.ts";
import { toListenError } from "../platform/listen_error.ts";
import type { HttpServer, ServeOptions, TlsOptions } from "../platform/platform.ts";
import type { AdminHandler } from "./admin_handler.ts";
import { peerCertificate } from "./peer_certificate.ts";
import type { Connection } from "./connection.ts";
import { ConnectionTable } from "./connection_table.ts";
import { exchange, statusOnly } from "./exchange.ts";
import { type ServerLimits, usualLimits } from "./limits.ts";

export interface AdminServerOptions extends ServeOptions {
  readonly tls?: TlsOptions;
  readonly limits?: Partial<ServerLimits>;
}

export interface AdminServer extends HttpServer {
  /** Connections that there are. */
  readonly connections: number;
  /** Takes other certificates, for connections from now on. Does nothing without TLS. @throws {PairError} */
  setTls(tls: TlsOptions): void;
}

const graceMsUsual = 5_000;
/** Connections that the system keeps until they are accepted. */
const backlog = 511;

/** Rejects with a {@linkcode ListenError} when the address cannot be bound or the certificate cannot be used. */
export async function serveAdmin(options: AdminServerOptions, handler: AdminHandler): Promise<AdminServer> {
  const limits = { ...usualLimits, ...options.limits };
  const table = new ConnectionTable(limits);
  let isClosing = false;
  const reader = createReader(options, limits, table, handler, () => isClosing);
  let listener: Listener;
  try {
    listener = options.tls === undefined
      ? plainListener(table, reader)
      : tlsListener(options.tls, limits, table, reader);
    await listening(listener, options);
  } catch (error) {
    throw toListenError(options.hostname, options.port, options.tls !== undefined, error);
  }
  const { address, port } = listener.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  const close = async (graceMs: number): Promise<void> => {
    isClosing = true;
    listener.close();
    table.close("quiet");
    await within(table.empty(), graceMs);
    table.close("all");
  };
  return {
    hostname: address,
    port,
    get connections() {
      return table.size;
    },
    setTls: (tls) => {
      if (options.tls !== undefined) (listener as TlsServer).setSecureContext(secureOptions(tls));
    },
    close: (graceMs = graceMsUsual) => closed ??= close(graceMs),
  };
}

function listening(listener: Listener, { hostname, port }: ServeOptions): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen({ port, host: hostname, backlog }, () => {
      listener.off("error", reject);
      // Such as too many open files: the next connection may find one.
      listener.on("error", () => {});
      resolve();
    });
  });
}

function plainListener(table: ConnectionTable, reader: HttpReader): Listener {
  return createNet({ noDelay: true }, (socket) => {
    if (table.add(socket, true) !== undefined) reader.emit("connection", socket);
  });
}

function tlsListener(tls: TlsOptions, limits: ServerLimits, table: ConnectionTable, reader: HttpReader): TlsServer {
  // The table is quicker; this is for a connection that it does not know.
  const listener = createTls({ ...secureOptions(tls), handshakeTimeout: 2 * limits.headMsMax }, (socket: TLSSocket) => {
    socket.on("error", () => {});
    const connection = table.find(socket);
    if (connection === undefined) return void socket.destroy();
    socket.setNoDelay(true);
    socket.on("close", () => connection.end());
    connection.secured(socket, tls.ca === undefined ? undefined : peerCertificate(socket), performance.now());
    reader.emit("connection", socket);
  });
  listener.on("connection", (socket: Socket) => table.add(socket, false));
  listener.on("tlsClientError", (_error: Error, socket: TLSSocket) => {
    table.find(socket)?.end();
    socket.destroy();
  });
  return listener;
}

/** @throws {PairError} */
function secureOptions({ cert, key, ca }: TlsOptions) {
  checkPair({ cert, key, ...(ca === undefined ? {} : { ca }) });
  return { cert, key, ...(ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true }) };
}

function createReader(
  { maxBodyBytes, tls }: AdminServerOptions,
  limits: ServerLimits,
  table: ConnectionTable,
  handler: AdminHandler,
  isClosing: () => boolean,
): HttpReader {
  const options = {
    handler,
    scheme: tls === undefined ? "http" : "https",
    maxBodyBytes,
    limits,
    isClosing,
  } as const;
  const take = (request: IncomingMessage, response: ServerResponse, mayContinue?: () => void) => {
    const connection = table.find(request.socket);
    if (connection === undefined) return void request.socket.destroy();
    response.on("error", () => {});
    request.on("error", () => {});
    if (++connection.requests > limits.waitingMax) return connection.end();
    void (connection.turn = answerInTurn(
      connection,
      request,
      isClosing,
      () =>
        exchange(request, response, connection, { ...options, ...(mayContinue === undefined ? {} : { mayContinue }) }),
    ));
  };
  // Time limits are the table's: those of `node:http` are for a server that listens.
  const reader = createHttp({ maxHeaderSize: limits.headBytesMax, keepAliveTimeout: 0, requestTimeout: 0 }, take);
  reader.headersTimeout = 0;
  reader.timeout = 0;
  reader.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
    take(request, response, () => response.writeContinue());
  });
  reader.on("clientError", (error: Error & { readonly code?: string }, socket: Socket) => {
    const connection = table.find(socket);
    const status = error.code === "HPE_HEADER_OVERFLOW" ? 431 : 400;
    if (connection === undefined || !connection.speaks || connection.requests > 0) socket.destroy();
    else socket.end(statusOnly(status), () => connection.end());
  });
  return reader;
}

async function answerInTurn(
  connection: Connection,
  request: IncomingMessage,
  isClosing: () => boolean,
  work: () => Promise<void>,
): Promise<void> {
  await connection.turn;
  if (!connection.ended) {
    const answer = () => connection.enter("answer", performance.now());
    if (request.complete) answer();
    else {
      connection.enter("body", performance.now());
      request.on("end", answer);
    }
    await work();
  }
  if (--connection.requests > 0) return;
  if (isClosing()) connection.end();
  else connection.enter("idle", performance.now());
}

async function within(work: Promise<void>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([work, new Promise<void>((resolve) => timer = setTimeout(resolve, ms))]);
  clearTimeout(timer);
}
