/**
 * A small HTTP server for tests, on a free loopback port: it keeps what it was asked, and answers as a test tells it. Its
 * HTTP is that of the engine, not the one of our client.
 *
 * ```ts ignore
 * const server = await startHttpServer(({ body }) => ({ status: body.includes("7") ? 500 : 200 }));
 * // … server.url, server.requests …
 * await server.close();
 * ```
 * @module
 */
import { Buffer } from "node:buffer";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";

export interface ServerRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** As text. */
  readonly body: string;
  readonly bytes: Uint8Array;
}

export interface ServerAnswer {
  /** 200 when absent; 0 closes the connection without an answer. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export type Answering = (request: ServerRequest) => ServerAnswer | Promise<ServerAnswer>;

export class HttpTestServer {
  /** In the order of their arrival. */
  readonly requests: ServerRequest[] = [];
  answer: Answering;
  /** Connections that were ever made. */
  connections = 0;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  constructor(answer: Answering) {
    this.answer = answer;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  /** Connections that are open. */
  get open(): number {
    return this.#sockets.size;
  }

  /** The bodies of all requests. */
  get bodies(): string[] {
    return this.requests.map(({ body }) => body);
  }

  /** Listens, after the first time on the same port. */
  async start(): Promise<void> {
    const server = this.#server = createServer((request, response) => {
      const chunks: Uint8Array[] = [];
      request.on("data", (chunk: Uint8Array) => void chunks.push(chunk));
      request.on("error", () => {});
      response.on("error", () => {});
      request.on("end", async () => {
        const bytes = Buffer.concat(chunks);
        const asked: ServerRequest = {
          method: request.method!,
          path: request.url!,
          headers: request.headers,
          body: bytes.toString("utf8"),
          bytes,
        };
        this.requests.push(asked);
        const { status = 200, headers = {}, body = "" } = await this.answer(asked);
        if (status === 0) return request.socket.destroy();
        if (request.socket.destroyed) return;
        response.writeHead(status, { "content-length": String(Buffer.byteLength(body)), ...headers });
        response.end(body);
      });
    });
    server.keepAliveTimeout = 60_000;
    server.on("connection", (socket: Socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => {});
    });
    await new Promise<void>((resolve, reject) => {
      server.on("error", reject);
      server.listen(this.#port, "127.0.0.1", resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Breaks all connections; it goes on listening. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Stops listening and breaks all connections. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    this.cut();
    await closed;
  }
}

/** Starts a server that answers 200 with nothing, if nothing else is said. */
export async function startHttpServer(answer: Answering = () => ({})): Promise<HttpTestServer> {
  const server = new HttpTestServer(answer);
  await server.start();
  return server;
}
