/**
 * The platform on Deno, which development and the second build run on.
 * @module
 */
import process from "node:process";
import { limitBody } from "./body_limit.ts";
import { toListenError } from "./listen_error.ts";
import { datagramSender, type SocketCalls } from "./notify_socket.ts";
import type { HttpServer, Platform, RequestHandler, ServeOptions } from "./platform.ts";
import { readResidentMemory } from "./resident_memory.ts";
import { onHangup } from "./hangup.ts";
import { onTerminate } from "./termination.ts";

const GRACE_MS = 5_000;

/** What ends a server that does not end by itself: its running requests first, then its connections. */
interface Cuts {
  readonly requests: AbortController;
  readonly connections: AbortController;
}

export function denoPlatform(): Platform {
  return {
    engine: { name: "deno", version: Deno.version.deno },
    target: `${process.platform}-${process.arch}`,
    compiled: Deno.build.standalone,
    args: Deno.args,
    // Not async itself, but what it throws must become a rejection.
    // deno-lint-ignore require-await
    serve: async (options, handler) => serve(options, handler),
    onTerminate,
    onHangup,
    memory: readResidentMemory,
    footprint: () => undefined,
    collectGarbage: () => {},
    settle: () => "Deno reads its options from the command line",
    trimMemory: () => ({ skipped: "Deno: V8's own snapshot and heap dominate, so there is nothing worth trimming" }),
    sendDatagram: datagramSender(socketCalls),
    exit: (code) => process.exit(code),
  };
}

/** The library stays open: it belongs to the process in any case. */
function socketCalls(): SocketCalls {
  const { symbols } = Deno.dlopen("libc.so.6", {
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
    close: { parameters: ["i32"], result: "i32" },
  });
  return {
    socket: symbols.socket,
    close: symbols.close,
    sendto: (socket, bytes, lengthBytes, flags, address, addressBytes) =>
      Number(symbols.sendto(socket, bytes, BigInt(lengthBytes), flags, address, addressBytes)),
  };
}

function serve(options: ServeOptions, handler: RequestHandler): HttpServer {
  const { hostname, port, maxBodyBytes } = options;
  const cuts: Cuts = { requests: new AbortController(), connections: new AbortController() };
  const limited = limitBody(handler, maxBodyBytes);
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve(
      {
        hostname,
        port,
        signal: cuts.connections.signal,
        onListen() {},
        onError: () => new Response("Internal Server Error", { status: 500 }),
      },
      (request: Request, info: Deno.ServeHandlerInfo<Deno.NetAddr>) =>
        answerUntilAborted(cuts.requests.signal, limited(request, { address: info.remoteAddr.hostname })),
    );
  } catch (error) {
    throw toListenError(hostname, port, false, error);
  }

  let closed: Promise<void> | undefined;
  return {
    hostname: server.addr.hostname,
    port: server.addr.port,
    close: (graceMs = GRACE_MS) => closed ??= close(server, cuts, graceMs),
  };
}

/** Deno leaves a request that is still running at the abort without an answer; this gives it a 503. */
async function answerUntilAborted(signal: AbortSignal, answering: Promise<Response>): Promise<Response> {
  const cutOff = Promise.withResolvers<Response>();
  const abort = () => cutOff.resolve(new Response("Service Unavailable", { status: 503 }));
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([answering, cutOff.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** How long connections may take to end once their requests are answered. */
const cutOffMs = 100;

/**
 * Lets requests end for `graceMs`, then answers them with 503, then cuts connections that still hang. The last is not
 * for a server that is just closing: Deno throws BadResource then, where nobody can catch it.
 */
async function close(server: Deno.HttpServer, cuts: Cuts, graceMs: number): Promise<void> {
  let isClosed = false;
  const closing = server.shutdown().finally(() => isClosed = true);
  await endsWithin(closing, graceMs);
  if (isClosed) return;
  cuts.requests.abort();
  await endsWithin(closing, cutOffMs);
  if (isClosed) return;
  closing.catch(() => {});
  cuts.connections.abort();
}

async function endsWithin(work: Promise<void>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([work, new Promise<void>((resolve) => timer = setTimeout(resolve, ms))]);
  clearTimeout(timer);
}
