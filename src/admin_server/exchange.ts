/**
 * One request and its answer, between `node:http` and the web's `Request` and `Response`.
 * @module
 */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { AdminHandler } from "./admin_handler.ts";
import { RequestBodyError } from "../platform/body_limit.ts";
import type { Connection } from "./connection.ts";
import type { ServerLimits } from "./limits.ts";

export interface ExchangeOptions {
  readonly handler: AdminHandler;
  readonly scheme: "http" | "https";
  readonly maxBodyBytes: number;
  readonly limits: ServerLimits;
  /** Says that a body may be sent, to a client that waits for it. */
  readonly mayContinue?: () => void;
  /** No further request is wanted on the connection. */
  readonly isClosing: () => boolean;
}

/** Answers a request; resolves when the answer is sent or the connection has ended. Never rejects. */
export async function exchange(
  request: IncomingMessage,
  response: ServerResponse,
  connection: Connection,
  options: ExchangeOptions,
): Promise<void> {
  const aborter = new AbortController();
  connection.onEnd = () => aborter.abort(new DOMException("The client has gone", "AbortError"));
  if (connection.ended) connection.onEnd();
  let answer: Response | undefined;
  try {
    answer = await answerOf(request, connection, options, aborter.signal);
    if (aborter.signal.aborted) return void await answer.body?.cancel().catch(() => {});
    await send(request, response, answer, options, aborter.signal);
  } catch {
    connection.end();
    // Without effect where it is being read, which then cancels it.
    await answer?.body?.cancel().catch(() => {});
  } finally {
    connection.onEnd = undefined;
  }
}

async function answerOf(
  incoming: IncomingMessage,
  { address, certificate }: Connection,
  options: ExchangeOptions,
  signal: AbortSignal,
): Promise<Response> {
  const { handler, maxBodyBytes, mayContinue } = options;
  if (Number(incoming.headers["content-length"] ?? 0) > maxBodyBytes) return new Response(null, { status: 413 });
  const body = new Body(incoming, maxBodyBytes, mayContinue);
  const request = toRequest(incoming, options.scheme, body, signal);
  if (request instanceof Response) return request;
  const peer = { address, ...(certificate === undefined ? {} : { certificate }) };
  const gone = Promise.withResolvers<Response>();
  const leave = () => gone.resolve(new Response(null, { status: 499 }));
  signal.addEventListener("abort", leave);
  try {
    const answering = Promise.resolve(handler(request, peer));
    answering.catch(() => {});
    const answer = await Promise.race([answering, gone.promise]);
    // What it answers to nobody must not go on for ever.
    if (signal.aborted) void answering.then((late) => late.body?.cancel()).catch(() => {});
    return body.isTooLarge ? new Response(null, { status: 413 }) : answer;
  } catch {
    return new Response(null, { status: body.isTooLarge ? 413 : 500 });
  } finally {
    signal.removeEventListener("abort", leave);
  }
}

/** Nothing that could be taken for the end of the host, or for something before it. */
const hostShape = /^(\[[0-9a-f:.]+\]|[a-z0-9._~!$&'()*+,;=%-]+)(:[0-9]{1,5})?$/i;

/** What `fetch` could send; for other requests the answer that refuses them. */
function toRequest(
  incoming: IncomingMessage,
  scheme: string,
  body: Body,
  signal: AbortSignal,
): Request | Response {
  const { url: target = "/", method = "GET", headers } = incoming;
  const host = headers.host ?? (incoming.httpVersion === "1.0" ? "localhost" : "");
  if (!hostShape.test(host)) return plain(400, "the header Host is wanted");
  const path = target.startsWith("/") ? target : target.replace(/^https?:\/\/[^/?#]*/i, "");
  if (!path.startsWith("/")) return plain(400, "the target of a request is a path");
  if (/^(connect|trace|track)$/i.test(method)) return plain(501, `${method} is not served`);
  const init = { method, headers: headersOf(incoming), signal };
  try {
    const url = `${scheme}://${host}${path}`;
    if (!body.exists || method === "GET" || method === "HEAD") return new Request(url, init);
    return new Request(url, { ...init, body: body.stream(), duplex: "half" } as RequestInit);
  } catch (error) {
    return plain(400, `bad request: ${(error as Error).message}`);
  }
}

function headersOf({ rawHeaders }: IncomingMessage): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) pairs.push([rawHeaders[i]!, rawHeaders[i + 1]!]);
  return pairs;
}

function plain(status: number, text: string): Response {
  return new Response(`${text}\n`, { status, headers: { "Content-Type": "text/plain; charset=utf-8" } });
}

/** The body of a request, which is read when somebody wants it, at the reader's pace. */
class Body {
  readonly #incoming: IncomingMessage;
  readonly #bytesMax: number;
  readonly #mayContinue: (() => void) | undefined;
  #length = 0;

  constructor(incoming: IncomingMessage, bytesMax: number, mayContinue: (() => void) | undefined) {
    this.#incoming = incoming;
    this.#bytesMax = bytesMax;
    this.#mayContinue = mayContinue;
  }

  get exists(): boolean {
    const { headers } = this.#incoming;
    return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
  }

  get isTooLarge(): boolean {
    return this.#length > this.#bytesMax;
  }

  stream(): ReadableStream<Uint8Array> {
    const incoming = this.#incoming;
    let isBegun = false;
    let isOver = false;
    const begin = (controller: ReadableStreamDefaultController<Uint8Array>) => {
      isBegun = true;
      this.#mayContinue?.();
      const fail = (why: string) => {
        if (isOver) return;
        isOver = true;
        controller.error(new RequestBodyError(why));
      };
      incoming.on("data", (chunk: Uint8Array) => {
        if (isOver) return;
        this.#length += chunk.length;
        if (this.isTooLarge) return fail(`more than ${this.#bytesMax} bytes`);
        controller.enqueue(new Uint8Array(chunk));
        incoming.pause();
      });
      incoming.on("end", () => {
        if (!isOver) controller.close();
        isOver = true;
      });
      incoming.on("error", () => fail("the client has gone"));
      incoming.on("close", () => fail("the client has gone"));
    };
    return new ReadableStream<Uint8Array>({
      pull(controller) {
        if (!isBegun) begin(controller);
        incoming.resume();
      },
      cancel() {
        isOver = true;
      },
    }, { highWaterMark: 0 });
  }
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Response,
  { limits, isClosing }: ExchangeOptions,
  signal: AbortSignal,
): Promise<void> {
  const isWhole = request.complete;
  // Nobody reads the rest of the request, so no other one can be found behind it.
  if (!isWhole || isClosing()) response.setHeader("Connection", "close");
  for (const [name, value] of answer.headers) if (name !== "set-cookie") response.setHeader(name, value);
  const cookies = answer.headers.getSetCookie();
  if (cookies.length > 0) response.setHeader("Set-Cookie", cookies);
  response.statusCode = answer.status;
  const closed = Promise.withResolvers<void>();
  response.on("close", () => closed.resolve());
  response.on("finish", () => closed.resolve());
  response.on("error", () => closed.resolve());
  signal.addEventListener("abort", () => closed.resolve());
  if (answer.body === null) {
    if (answer.status >= 200 && answer.status !== 204 && answer.status !== 304 && request.method !== "HEAD") {
      response.setHeader("Content-Length", "0");
    }
    response.end();
  } else await copy(answer.body, response, limits.stallMsMax, signal);
  await inTime(closed.promise, limits.stallMsMax);
  if (!isWhole) await linger(request, limits.lingerMs, signal);
}

/** A text is sent with its length, a stream chunk by chunk. */
async function copy(
  body: ReadableStream<Uint8Array>,
  response: ServerResponse,
  stallMsMax: number,
  signal: AbortSignal,
): Promise<void> {
  const reader = body.getReader();
  const stop = () => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  try {
    const first = await reader.read();
    let next = reader.read();
    const isShort = !first.done && await Promise.race([next.then(({ done }) => done), soon(false)]);
    if (isShort) response.setHeader("Content-Length", String(first.value!.length));
    for (let chunk = first; !chunk.done && !signal.aborted; chunk = await next) {
      // The second chunk is asked for already.
      if (chunk !== first) next = reader.read();
      if (!response.write(chunk.value)) await drained(response, stallMsMax, signal);
    }
    response.end();
  } catch (error) {
    stop();
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** The next turn of the event loop. */
function soon<T>(value: T): Promise<T> {
  return new Promise((resolve) => setImmediate(() => resolve(value)));
}

/** @throws {Error} when the client takes nothing for so long */
async function drained(response: ServerResponse, stallMsMax: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = () => resolve();
  response.once("drain", done);
  signal.addEventListener("abort", done);
  try {
    await inTime(promise, stallMsMax);
  } finally {
    response.off("drain", done);
    signal.removeEventListener("abort", done);
  }
}

/** @throws {Error} */
async function inTime(work: Promise<void>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("The client takes too long")), ms);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** To close at once would throw the answer away where the client is still sending. */
async function linger(request: IncomingMessage, ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  request.on("end", () => resolve());
  request.on("close", () => resolve());
  signal.addEventListener("abort", () => resolve());
  const timer = setTimeout(resolve, ms);
  if (!request.readableEnded && !signal.aborted) request.on("data", () => {}).resume();
  else resolve();
  await promise;
  clearTimeout(timer);
  throw new Error("The request is not read to its end");
}

/** An answer of a status alone, after which the connection ends. */
export function statusOnly(status: number): string {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Refused"}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
}
