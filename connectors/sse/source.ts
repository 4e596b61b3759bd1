/**
 * Reads an event stream, and asks for it again when it is lost, behind the last event that came.
 *
 * Invariant: while what waits to be read is full, nothing more is taken from the network.
 * @module
 */
import { Buffer } from "node:buffer";
import type { ClientRequest, IncomingMessage } from "node:http";
import { Bell } from "../../src/connector/bell.ts";
import type { Clock, ConnectionState } from "../../src/connector/context.ts";
import { EndOfInput } from "../../src/connector/errors.ts";
import type { PayloadBatch, Source } from "../../src/connector/source.ts";
import type { TlsOptions } from "../../src/connector/tls_settings.ts";
import { EventStreamParser, type StreamEvent } from "./event_stream.ts";

export interface SseSourceOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Longest silence; 0 for none. */
  readonly idleMs: number;
  readonly tls: TlsOptions;
  readonly keepsPosition: boolean;
  readonly position: string | undefined;
  readonly clock: Clock;
  readonly onState: (state: ConnectionState, message?: string) => void;
}

const answerMs = 15_000;
const waitingMax = 1024;
const waitingCharactersMax = 4 * 1024 * 1024;
const eventCharactersMax = 8 * 1024 * 1024;
/** Positions are some kilobytes at most. */
const idCharactersMax = 4096;
const redirectsMax = 5;
const pauseMsFirst = 1000;
const pauseMsMax = 30_000;

/** The server has said that there will be no more events. */
class StreamEnd extends Error {}

export class SseSource implements Source {
  readonly #options: SseSourceOptions;
  readonly #abort = new AbortController();
  readonly #encoder = new TextEncoder();
  #events: StreamEvent[] = [];
  #characters = 0;
  #lastId: string;
  #retryMs: number | undefined;
  #response: IncomingMessage | undefined;
  #end: EndOfInput | undefined;
  readonly #bell = new Bell();
  readonly #finished: Promise<void>;

  constructor(options: SseSourceOptions) {
    this.#options = options;
    this.#lastId = options.position ?? "";
    this.#finished = this.#run();
  }

  get #isFull(): boolean {
    return this.#events.length >= waitingMax || this.#characters >= waitingCharactersMax;
  }

  async #run(): Promise<void> {
    const { clock, onState, url } = this.#options;
    const { signal } = this.#abort;
    let failures = 0;
    while (!signal.aborted) {
      onState("connecting");
      const before = this.#lastId;
      const started = clock.now();
      try {
        await this.#live();
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof StreamEnd) {
          this.#end = new EndOfInput(error.message);
          this.#bell.ring();
          return;
        }
        onState("disconnected", `${url}: ${(error as Error).message}`);
      }
      if (this.#lastId !== before || clock.now() - started > pauseMsMax) failures = 0;
      const first = this.#retryMs ?? pauseMsFirst;
      const pauseMs = Math.min(Math.max(pauseMsMax, first), first * 2 ** Math.min(failures++, 10));
      await clock.sleep(pauseMs * (1 - Math.random() / 4), signal).catch(() => {});
    }
  }

  /** Reads the stream until it ends. */
  async #live(): Promise<never> {
    const response = await this.#ask(new URL(this.#options.url), this.#options.headers, redirectsMax);
    const { promise: ended, reject } = Promise.withResolvers<never>();
    // It may end before anybody waits for it.
    ended.catch(() => {});
    const parser = new EventStreamParser(eventCharactersMax, this.#lastId);
    const { idleMs, clock } = this.#options;
    let cancelIdle = () => {};
    const watch = () => {
      cancelIdle();
      if (idleMs === 0) return;
      cancelIdle = clock.after(idleMs, () => {
        // While nothing is read, nothing can have come.
        if (response.isPaused()) watch();
        else reject(new Error(`nothing has come for ${idleMs} ms`));
      });
    };
    const abort = () => reject(this.#abort.signal.reason);
    response.on("data", (chunk: Uint8Array) => {
      watch();
      try {
        this.#take(parser.push(chunk));
      } catch (error) {
        reject(error);
      }
      this.#retryMs = parser.retryMs ?? this.#retryMs;
      if (this.#isFull) response.pause();
    });
    response.on("end", () => reject(new Error("the server has ended the stream")));
    response.on("error", (error) => reject(error));
    response.on("close", () => reject(new Error("the connection is lost")));
    this.#abort.signal.addEventListener("abort", abort, { once: true });
    this.#response = response;
    this.#options.onState("connected");
    watch();
    if (this.#isFull) response.pause();
    try {
      this.#abort.signal.throwIfAborted();
      return await ended;
    } finally {
      cancelIdle();
      this.#response = undefined;
      this.#abort.signal.removeEventListener("abort", abort);
      response.destroy();
    }
  }

  #take(events: readonly StreamEvent[]): void {
    if (events.length === 0) return;
    for (const event of events) {
      this.#events.push(event);
      this.#characters += event.data.length;
    }
    this.#lastId = events.at(-1)!.id;
    this.#bell.ring();
  }

  async #ask(url: URL, headers: Readonly<Record<string, string>>, redirects: number): Promise<IncomingMessage> {
    const { request } = await (url.protocol === "https:" ? import("node:https") : import("node:http"));
    const { servername, ...tls } = this.#options.tls;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const asked: ClientRequest = request(url, {
      headers: {
        ...headers,
        Accept: "text/event-stream",
        "Cache-Control": "no-cache",
        "Accept-Encoding": "identity",
        // Headers are bytes; the standard wants those of UTF-8.
        ...(this.#lastId === "" ? {} : { "Last-Event-ID": Buffer.from(this.#lastId).toString("latin1") }),
      },
      // A connection of its own, which ends with the stream.
      agent: false,
      ...(url.protocol === "https:" ? { ...tls, ...(servername === undefined ? {} : { servername }) } : {}),
    }, resolve);
    asked.on("error", reject);
    asked.on("socket", (socket) => socket.setKeepAlive(true, 30_000));
    const cancel = this.#options.clock.after(answerMs, () => reject(new Error(`no answer for ${answerMs} ms`)));
    const abort = () => reject(this.#abort.signal.reason);
    this.#abort.signal.addEventListener("abort", abort, { once: true });
    asked.end();
    try {
      const response = await promise;
      const { statusCode = 0 } = response;
      if (statusCode === 200 && /^text\/event-stream\b/i.test(response.headers["content-type"] ?? "")) return response;
      const target = [301, 302, 303, 307, 308].includes(statusCode) ? response.headers.location : undefined;
      response.destroy();
      if (target !== undefined && redirects > 0 && URL.canParse(target, url)) {
        const next = new URL(target, url);
        return await this.#ask(next, next.origin === url.origin ? headers : {}, redirects - 1);
      }
      if (statusCode === 204) throw new StreamEnd("the server has no more events");
      throw new Error(
        statusCode === 200 ? "the answer is no event stream" : `the server answers ${statusCode} to the request`,
      );
    } catch (error) {
      asked.destroy();
      throw error;
    } finally {
      cancel();
      this.#abort.signal.removeEventListener("abort", abort);
    }
  }

  async read(signal: AbortSignal): Promise<PayloadBatch> {
    signal.throwIfAborted();
    if (this.#events.length === 0) {
      if (this.#end !== undefined) throw this.#end;
      await this.#bell.wait(signal);
      if (this.#events.length === 0) return await this.read(signal);
    }
    const events = this.#events;
    this.#events = [];
    this.#characters = 0;
    this.#response?.resume();
    const { id } = events.at(-1)!;
    return {
      kind: "payloads",
      payloads: events.map(({ data }) => this.#encoder.encode(data)),
      meta: (index) => ({ event: events[index]!.event, id: events[index]!.id }),
      ...(this.#options.keepsPosition && id !== "" && id.length <= idCharactersMax ? { position: id } : {}),
    };
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#finished;
  }
}
