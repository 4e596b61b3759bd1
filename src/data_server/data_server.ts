/**
 * The data server over `node:http`, which both engines have with upgrades, time limits and back-pressure; what the
 * admin interface is served with has none of the three.
 *
 * Nothing listens, and no code of HTTP is loaded, before the first path is served. Invariant: one loop opens and closes
 * the port, so a path that is served while the port closes finds it open again afterwards.
 * @module
 */
import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock, ConnectionState, Logger } from "../connector/context.ts";
import { type DataRoute, type DataServer, Refusal, type RequestRoute } from "../connector/data_server.ts";
import { BodyShare, BodySpace } from "./body_space.ts";
import type { readBody } from "./request_body.ts";

export interface DataServerOptions {
  readonly hostname: string;
  /** 0 lets the operating system choose. */
  readonly port: number;
  /** PEM texts; HTTP when absent. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** The largest body of a request, and message of a WebSocket. */
  readonly bodyBytesMax: number;
  /** Origins of web pages that may call; `*` for all. */
  readonly allowOrigins?: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits?: Partial<DataServerLimits>;
}

/** What one client, and all together, may take. */
export interface DataServerLimits {
  readonly connectionsMax: number;
  /** Of all bodies that wait for their answers. */
  readonly heldBytesMax: number;
  /** For the head of a request, and for all of it: who sends a byte now and then must not stay for ever. */
  readonly headMsMax: number;
  readonly requestMsMax: number;
  /** Between two requests. */
  readonly idleMsMax: number;
}

const usual: DataServerLimits = {
  connectionsMax: 1024,
  heldBytesMax: 64 * 1024 * 1024,
  headMsMax: 10_000,
  requestMsMax: 60_000,
  idleMsMax: 75_000,
};

const headBytesMax = 16 * 1024;
/** Pauses between two attempts to listen. */
const retryMs = [100, 300, 1000, 3000, 10_000];
/** Answers under way may take so long when the server closes. */
const closeGraceMs = 500;
/** How long a body that was refused is read on, so that the answer reaches a client that sends first. */
const lingerMs = 1000;

type StateListener = (state: ConnectionState, message?: string) => void;

export class HttpDataServer implements DataServer {
  readonly #options: DataServerOptions;
  readonly #limits: DataServerLimits;
  readonly #space: BodySpace;
  #tls: { readonly cert: string; readonly key: string } | undefined;
  readonly #routes = new Map<string, Map<DataRoute["kind"], DataRoute>>();
  readonly #listeners = new Set<StateListener>();
  readonly #sockets = new Set<Socket>();
  #state: { readonly state: ConnectionState; readonly message?: string } = { state: "disconnected" };
  #address: AddressInfo | undefined;
  /** Ends when nothing is served any more; a new one for each time that something is. */
  #use = new AbortController();
  #running: Promise<void> | undefined;
  #readBody: typeof readBody | undefined;

  constructor(options: DataServerOptions) {
    this.#options = options;
    this.#limits = { ...usual, ...options.limits };
    this.#tls = options.tls;
    this.#space = new BodySpace(this.#limits.heldBytesMax);
  }

  /** Where it listens; undefined while it does not. */
  get address(): { readonly hostname: string; readonly port: number } | undefined {
    return this.#address === undefined ? undefined : { hostname: this.#address.address, port: this.#address.port };
  }

  /** Connections of clients, WebSockets among them. */
  get connections(): number {
    return this.#sockets.size;
  }

  serve(path: string, route: DataRoute, onState: StateListener): () => void {
    const place = canonical(path);
    const routes = this.#routes.get(place) ?? new Map<DataRoute["kind"], DataRoute>();
    if (routes.has(route.kind)) throw new TypeError(`Cannot serve ${route.kind} ${path}: it is served already`);
    routes.set(route.kind, route);
    this.#routes.set(place, routes);
    const listener: StateListener = (state, message) => onState(state, message);
    this.#listeners.add(listener);
    if (this.#running === undefined) this.#running = this.#run();
    // The port is closing, and opens again for this path.
    else if (this.#use.signal.aborted) listener("connecting");
    else if (this.#address !== undefined) listener("connected");
    else listener(this.#state.state, this.#state.message);
    let isServed = true;
    return () => {
      if (!isServed) return;
      isServed = false;
      this.#listeners.delete(listener);
      routes.delete(route.kind);
      if (routes.size > 0) return;
      this.#routes.delete(place);
      if (this.#routes.size === 0) this.#use.abort();
    };
  }

  /**
   * Takes another certificate: opens the port anew when it is open. Bun's `node:https` cannot exchange one in place, so
   * connections end within a moment, and clients connect again. Does nothing without TLS.
   */
  renew(tls: { readonly cert: string; readonly key: string }): void {
    if (this.#tls === undefined) return;
    this.#tls = tls;
    this.#use.abort();
  }

  /** Resolves when it listens on nothing any more, which it does once nothing is served. */
  async closed(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    for (let failures = 0; this.#routes.size > 0;) {
      this.#use = new AbortController();
      const { signal } = this.#use;
      let server: Server;
      try {
        server = await this.#listen();
      } catch (error) {
        this.#report("disconnected", `Cannot listen on ${this.#name}: ${(error as Error).message}`);
        await clock.sleep(retryMs[Math.min(failures++, retryMs.length - 1)]!, signal).catch(() => {});
        continue;
      }
      failures = 0;
      this.#address = server.address() as AddressInfo;
      log.info("the data server listens", { hostname: this.#address.address, port: this.#address.port });
      this.#report("connected");
      if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      this.#address = undefined;
      this.#state = { state: "connecting" };
      await this.#close(server);
      log.info("the data server has closed", {});
    }
    this.#running = undefined;
  }

  get #name(): string {
    const { hostname, port } = this.#options;
    return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
  }

  #report(state: ConnectionState, message?: string): void {
    this.#state = message === undefined ? { state } : { state, message };
    for (const listener of this.#listeners) listener(state, message);
  }

  async #listen(): Promise<Server> {
    const { hostname, port } = this.#options;
    const tls = this.#tls;
    const { headMsMax, requestMsMax, idleMsMax } = this.#limits;
    const options = {
      headersTimeout: Math.min(headMsMax, requestMsMax),
      requestTimeout: requestMsMax,
      keepAliveTimeout: idleMsMax,
      connectionsCheckingInterval: Math.min(1000, headMsMax),
      maxHeaderSize: headBytesMax,
    };
    this.#readBody ??= (await import("./request_body.ts")).readBody;
    const onRequest: RequestListener = (request, response) => this.#onRequest(request, response);
    const server: Server = tls === undefined
      ? (await import("node:http")).createServer(options, onRequest)
      : (await import("node:https")).createServer({ ...options, cert: tls.cert, key: tls.key }, onRequest);
    // The answer says what to do before a body is sent that will not be read.
    server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
      this.#onRequest(request, response, () => response.writeContinue());
    });
    server.on("connection", (socket: Socket) => this.#onConnection(socket));
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Uint8Array) => {
      this.#onUpgrade(request, socket, head);
    });
    server.on("clientError", (error: Error & { readonly code?: string }, socket: Duplex) => {
      if (!socket.writable || error.code === "ECONNRESET") return void socket.destroy();
      const status = error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? "408 Request Timeout"
        : error.code === "HPE_HEADER_OVERFLOW"
        ? "431 Request Header Fields Too Large"
        : "400 Bad Request";
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, hostname, () => {
        server.off("error", reject);
        server.on("error", (error) => this.#options.log.error("the data server failed", { reason: error.message }));
        resolve();
      });
    });
    return server;
  }

  async #close(server: Server): Promise<void> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    const grace = new AbortController();
    const cut = this.#options.clock.sleep(closeGraceMs, grace.signal).then(() => {
      for (const socket of this.#sockets) socket.destroy();
      server.closeAllConnections();
    }, () => {});
    await closed;
    grace.abort();
    await cut;
    for (const socket of this.#sockets) socket.destroy();
  }

  #onConnection(socket: Socket): void {
    if (this.#sockets.size >= this.#limits.connectionsMax) return void socket.destroy();
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
  }

  #onRequest(request: IncomingMessage, response: ServerResponse, mayContinue?: () => void): void {
    const share = new BodyShare(this.#space);
    response.on("close", () => share.giveAll());
    response.on("error", () => {});
    void this.#handle(request, response, share, mayContinue).catch((error) => {
      if (response.headersSent) return void response.destroy();
      if (!(error instanceof Refusal)) {
        const reason = (error as Error).stack ?? String(error);
        this.#options.log.error("a request to the data server failed", { path: request.url, reason });
      }
      refuse(request, response, error instanceof Refusal ? error : new Refusal(500, "internal error"));
    });
  }

  async #handle(
    request: IncomingMessage,
    response: ServerResponse,
    share: BodyShare,
    mayContinue: (() => void) | undefined,
  ): Promise<void> {
    const routes = this.#routesOf(request);
    const { method = "" } = request;
    const isAllowed = this.#allowOrigin(request);
    if (isAllowed) {
      response.setHeader("Access-Control-Allow-Origin", request.headers.origin!);
      response.setHeader("Vary", "Origin");
    }
    const kinds = [...routes.keys()].filter((kind) => kind !== "WebSocket");
    if (method === "OPTIONS" && isAllowed) {
      const headers = request.headers["access-control-request-headers"] ?? "";
      response.setHeader("Access-Control-Allow-Methods", kinds.join(", "));
      if (headers !== "") response.setHeader("Access-Control-Allow-Headers", headers);
      return void response.writeHead(204).end();
    }
    const route = routes.get(method as RequestRoute["kind"]);
    if (route === undefined || route.kind === "WebSocket") {
      if (kinds.length === 0) throw new Refusal(426, "only WebSockets are served here", { Upgrade: "websocket" });
      throw new Refusal(405, `${method} is not served here`, { Allow: kinds.join(", ") });
    }
    await route.handle({
      request,
      response,
      body: () => {
        if (Number(request.headers["content-length"] ?? 0) <= this.#options.bodyBytesMax) mayContinue?.();
        return this.#readBody!(request, this.#options.bodyBytesMax, share);
      },
    });
  }

  /** @throws {Refusal} 404. */
  #routesOf(request: IncomingMessage): ReadonlyMap<DataRoute["kind"], DataRoute> {
    const path = pathOf(request.url ?? "/");
    const routes = this.#routes.get(path) ?? this.#routes.get(canonical(path));
    if (routes === undefined) throw new Refusal(404, `nothing is served at ${path.slice(0, 200)}`);
    return routes;
  }

  /**
   * True when a web page calls whose origin is one of the named. Devices that send some Origin are no web pages.
   *
   * @throws {Refusal} 403 for a page of another origin: whoever looks at it would let it reach a network that it is not in.
   */
  #allowOrigin({ headers: { origin, host = "" } }: IncomingMessage): boolean {
    const { allowOrigins = [] } = this.#options;
    if (origin === undefined) return false;
    if (allowOrigins.includes("*") || allowOrigins.includes(origin)) return true;
    const isPage = origin === "null" || /^https?:\/\//i.test(origin);
    if (!isPage || origin.replace(/^https?:\/\//i, "").toLowerCase() === host.toLowerCase()) return false;
    throw new Refusal(403, `web pages of ${origin.slice(0, 200)} may not call: see cors.allowOrigins`);
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): void {
    socket.on("error", () => {});
    try {
      const route = this.#routesOf(request).get("WebSocket");
      if (route?.kind !== "WebSocket") throw new Refusal(400, "no WebSockets are served here");
      this.#allowOrigin(request);
      route.upgrade(request, socket, head, this.#options.bodyBytesMax);
    } catch (error) {
      const { status, message } = error instanceof Refusal ? error : new Refusal(500, "internal error");
      const body = `${JSON.stringify({ error: message })}\n`;
      socket.end(
        `HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Type: application/json\r\n` +
          `Content-Length: ${new TextEncoder().encode(body).length}\r\n\r\n${body}`,
      );
    }
  }
}

/** The path of a request's target, which may be a whole URL. */
function pathOf(target: string): string {
  const path = target.startsWith("/") ? target : target.replace(/^[a-z]+:\/\/[^/]*/i, "");
  const query = path.search(/[?#]/);
  return query < 0 ? path : path.slice(0, query);
}

/** One spelling for all that mean the same path. */
function canonical(path: string): string {
  try {
    return new URL(`http://host${path}`).pathname.replace(/%[0-9a-f]{2}/gi, (escape) => escape.toUpperCase());
  } catch {
    return path;
  }
}

function refuse(request: IncomingMessage, response: ServerResponse, { status, message, headers }: Refusal): void {
  const body = `${JSON.stringify({ error: message })}\n`;
  const isRead = request.complete;
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": new TextEncoder().encode(body).length,
    ...headers,
    ...(isRead ? {} : { Connection: "close" }),
  });
  if (isRead) return void response.end(body);
  // Ending it would close the connection, and a client that is still sending would see that instead of the answer.
  response.write(body);
  const timer = setTimeout(() => response.end(), lingerMs);
  const end = () => {
    clearTimeout(timer);
    response.end();
  };
  request.on("end", end);
  request.on("close", end);
  request.on("error", () => {});
  request.resume();
}
