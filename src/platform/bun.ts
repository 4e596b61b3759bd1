/**
 * The platform on Bun, which the released binary runs on.
 * @module
 */
import process from "node:process";
import { openLibc } from "./libc_bun.ts";
import { toListenError } from "./listen_error.ts";
import { datagramSender } from "./notify_socket.ts";
import type { Footprint, HttpServer, Peer, Platform, RequestHandler, ServeOptions, TrimResult } from "./platform.ts";
import { createFootprintReader, readResidentMemory } from "./resident_memory.ts";
import { restartWithOptions } from "./restart_bun.ts";
import { onHangup } from "./hangup.ts";
import { onTerminate } from "./termination.ts";
import { createTrim } from "./trim_bun.ts";

/** The part of Bun's API used here; its type package would also change the types of Deno and Node. */
interface BunApi {
  readonly version: string;
  readonly main: string;
  serve(options: BunServeOptions): BunServer;
  gc(synchronously: boolean): void;
}

interface BunServeOptions {
  hostname: string;
  port: number;
  maxRequestBodySize: number;
  idleTimeout: number;
  development: boolean;
  reusePort: boolean;
  fetch(request: Request, server: BunServer): Response | Promise<Response>;
  error(error: Error): Response;
}

interface BunServer {
  readonly hostname: string;
  readonly port: number;
  readonly pendingRequests: number;
  requestIP(request: Request): { readonly address: string } | null;
  timeout(request: Request, seconds: number): void;
  stop(closeActiveConnections?: boolean): Promise<void>;
}

/** A client that sends nothing for this long is cut off. Answers that stream may pause for as long as they like. */
const IDLE_TIMEOUT_S = 120;
const GRACE_MS = 5_000;
const DRAIN_POLL_MS = 10;

export function bunPlatform(): Platform {
  const bun = (globalThis as unknown as { readonly Bun: BunApi }).Bun;
  let readFootprint: (() => Footprint | undefined) | undefined;
  const footprint = () => (readFootprint ??= createFootprintReader() ?? (() => undefined))();
  const trim = process.platform === "linux" ? createTrim(footprint) : undefined;
  return {
    engine: { name: "bun", version: bun.version },
    target: `${process.platform}-${process.arch}`,
    // Modules inside a compiled binary live in a file system of their own.
    compiled: bun.main.startsWith("/$bunfs/"),
    args: process.argv.slice(2),
    // Not async itself, but what it throws must become a rejection.
    // deno-lint-ignore require-await
    serve: async (options, handler) => serve(bun, options, handler),
    onTerminate,
    onHangup,
    memory: readResidentMemory,
    footprint,
    collectGarbage: () => bun.gc(true),
    settle() {
      // From source, the arguments that started the engine are not known.
      if (trim === undefined || !bun.main.startsWith("/$bunfs/")) return "not a compiled binary on Linux";
      const refused = restartWithOptions();
      trim();
      return refused;
    },
    trimMemory: (): TrimResult => trim?.() ?? { skipped: `not Linux but ${process.platform}` },
    sendDatagram: datagramSender(() => {
      const { symbols, addressOf } = openLibc();
      return {
        ...symbols,
        sendto: (socket, bytes, lengthBytes, flags, address, addressBytes) =>
          Number(
            symbols.sendto(socket, addressOf(bytes), lengthBytes, flags, addressOf(address), addressBytes),
          ),
      };
    }),
    exit: (code) => process.exit(code),
  };
}

function serve(bun: BunApi, options: ServeOptions, handler: RequestHandler): HttpServer {
  const { hostname, port, maxBodyBytes } = options;
  let server: BunServer;
  try {
    server = bun.serve({
      hostname,
      port,
      maxRequestBodySize: maxBodyBytes,
      idleTimeout: IDLE_TIMEOUT_S,
      development: false,
      // `development: false` alone would turn it on, and a second agent would share the port without a word.
      reusePort: false,
      fetch: (request, server) => answer(request, server, handler),
      error: () => new Response("Internal Server Error", { status: 500 }),
    });
  } catch (error) {
    throw toListenError(hostname, port, false, error);
  }

  let closed: Promise<void> | undefined;
  return {
    hostname: server.hostname,
    port: server.port,
    close: (graceMs = GRACE_MS) => closed ??= close(server, graceMs),
  };
}

async function answer(request: Request, server: BunServer, handler: RequestHandler): Promise<Response> {
  const peer: Peer = { address: server.requestIP(request)?.address ?? "" };
  const response = await handler(request, peer);
  if (response.headers.get("content-type")?.startsWith("text/event-stream")) server.timeout(request, 0);
  return response;
}

async function close(server: BunServer, graceMs: number): Promise<void> {
  // `stop()` alone would also wait for idle keep-alive connections, so the running requests are what we watch.
  void server.stop(false);
  const deadline = performance.now() + graceMs;
  while (server.pendingRequests > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
  }
  await server.stop(true);
}
