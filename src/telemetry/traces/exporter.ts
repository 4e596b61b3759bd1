/**
 * Sends spans to a collector: OTLP over HTTP, in batches.
 *
 * Invariants: what waits is bounded, and what finds no room is dropped and counted; one request at a time; nobody ever
 * waits for it. A collector that is away or busy is asked again with growing pauses, and not before it says.
 * @module
 */
import { Buffer } from "node:buffer";
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Clock, Logger } from "../../connector/context.ts";
import { otlpJson, type Resource } from "./otlp_json.ts";
import { otlpProtobuf } from "./otlp_protobuf.ts";
import type { Span } from "./span.ts";

export const otlpProtocols = ["http/json", "http/protobuf"] as const;

export interface ExporterOptions {
  readonly endpoint: URL;
  readonly protocol: typeof otlpProtocols[number];
  readonly headers: Readonly<Record<string, string>>;
  readonly resource: Resource;
  readonly batchSize: number;
  readonly batchDelayMs: number;
  readonly queueSize: number;
  readonly timeoutMs: number;
  /** PEM texts, for HTTPS. */
  readonly tls?: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly rejectUnauthorized?: boolean;
  };
  readonly clock: Clock;
  readonly log: Logger;
}

/** Spans by what became of them. */
export interface ExportFigures {
  readonly exported: number;
  readonly waiting: number;
  readonly dropped: Readonly<Record<string, number>>;
}

const pauseMsMin = 500;
const pauseMsMax = 30_000;
const retryAfterMsMax = 60_000;
const closeMsMax = 2_000;
const answerBytesMax = 64 * 1024;
const tryAgain: ReadonlySet<number> = new Set([408, 429, 502, 503, 504]);

type Outcome =
  | { readonly kind: "done"; readonly rejected: number }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "later"; readonly reason: string; readonly ms?: number };

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

export class Exporter {
  readonly #options: ExporterOptions;
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #abort = new AbortController();
  readonly #dropped = new Map<string, number>();
  #queue: Span[] = [];
  #exported = 0;
  #cancelTimer: (() => void) | undefined;
  #sending: Promise<void> | undefined;
  #isClosing = false;
  #toldTrouble: string | undefined;

  constructor(options: ExporterOptions) {
    this.#options = options;
    this.#agent = options.endpoint.protocol === "https:"
      ? new HttpsAgent({ keepAlive: true, maxSockets: 1, ...options.tls })
      : new HttpAgent({ keepAlive: true, maxSockets: 1 });
  }

  get figures(): ExportFigures {
    return { exported: this.#exported, waiting: this.#queue.length, dropped: Object.fromEntries(this.#dropped) };
  }

  add(span: Span): void {
    const { queueSize, batchSize, batchDelayMs, clock } = this.#options;
    if (this.#isClosing) return this.#drop("closed", 1);
    if (this.#queue.length >= queueSize) return this.#drop("queue full", 1);
    this.#queue.push(span);
    if (this.#sending !== undefined) return;
    if (this.#queue.length >= batchSize) this.#send();
    else {
      this.#cancelTimer ??= clock.after(batchDelayMs, () => {
        this.#cancelTimer = undefined;
        if (this.#sending === undefined) this.#send();
      });
    }
  }

  #drop(reason: string, count: number): void {
    if (count > 0) this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + count);
  }

  #send(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#sending = this.#sendAll().finally(() => this.#sending = undefined);
  }

  /** Until nothing waits; less than a batch goes along rather than wait once more. */
  async #sendAll(): Promise<void> {
    const { signal } = this.#abort;
    while (this.#queue.length > 0 && !signal.aborted) {
      const batch = this.#queue.slice(0, this.#options.batchSize);
      const outcome = await this.#persistently(batch);
      if (outcome === undefined) return;
      this.#queue.splice(0, batch.length);
      if (outcome.kind === "refused") {
        this.#drop("refused", batch.length);
        continue;
      }
      const rejected = Math.min(outcome.rejected, batch.length);
      this.#drop("rejected", rejected);
      this.#exported += batch.length - rejected;
    }
  }

  /** Undefined when it was broken off. */
  async #persistently(batch: readonly Span[]): Promise<Exclude<Outcome, { kind: "later" }> | undefined> {
    const { clock, log, endpoint } = this.#options;
    const { signal } = this.#abort;
    const url = shownUrl(endpoint);
    for (let pauseMs = pauseMsMin;; pauseMs = Math.min(2 * pauseMs, pauseMsMax)) {
      const outcome = await this.#ask(batch);
      if (signal.aborted) return undefined;
      if (outcome.kind === "done") {
        if (this.#toldTrouble !== undefined) log.info("Traces are exported again", { url });
        this.#toldTrouble = undefined;
        return outcome;
      }
      if (this.#toldTrouble !== outcome.reason) {
        const what = outcome.kind === "refused" ? "Traces were refused" : "Traces cannot be exported now";
        log.warn(what, { url, reason: outcome.reason });
      }
      this.#toldTrouble = outcome.reason;
      if (outcome.kind === "refused") return outcome;
      // Some chance in it, so that agents that were cut off together do not come back together.
      const pause = outcome.ms ?? pauseMs * (0.75 + Math.random() / 2);
      if (this.#isClosing) return undefined;
      await clock.sleep(pause, signal).catch(() => {});
      if (signal.aborted) return undefined;
    }
  }

  async #ask(batch: readonly Span[]): Promise<Outcome> {
    const { protocol, resource, clock } = this.#options;
    const isJson = protocol === "http/json";
    const body = Buffer.from(isJson ? otlpJson(batch, resource) : otlpProtobuf(batch, resource));
    try {
      const { status, headers, text } = await this.#post(body, isJson ? "application/json" : "application/x-protobuf");
      if (status >= 200 && status <= 299) return { kind: "done", rejected: isJson ? rejectedIn(text) : 0 };
      const reason = `the collector answered ${status}`;
      if (!tryAgain.has(status)) return { kind: "refused", reason };
      return { kind: "later", reason, ...retryAfter(headers["retry-after"], clock.now()) };
    } catch (error) {
      return { kind: "later", reason: error instanceof Error ? error.message : String(error) };
    }
  }

  #post(body: Buffer, type: string): Promise<Answer> {
    const { endpoint, headers, timeoutMs } = this.#options;
    const ask = endpoint.protocol === "https:" ? httpsRequest : httpRequest;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const request = ask(endpoint, {
      method: "POST",
      agent: this.#agent,
      headers: { "User-Agent": "weir", ...headers, "Content-Type": type, "Content-Length": body.length },
    }, (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on("data", (chunk: Buffer) => {
        if (length < answerBytesMax) chunks.push(chunk);
        length += chunk.length;
      });
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        }));
    });
    const end = (reason: string) => request.destroy(new Error(reason));
    const cancel = this.#options.clock.after(timeoutMs, () => end(`no answer in ${timeoutMs} ms`));
    const abort = () => end("the agent stops");
    this.#abort.signal.addEventListener("abort", abort, { once: true });
    request.on("error", reject);
    request.end(body);
    return promise.finally(() => {
      cancel();
      this.#abort.signal.removeEventListener("abort", abort);
    });
  }

  /** What waits has one more chance, which is short. */
  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#sending === undefined && this.#queue.length > 0) this.#send();
    const cancel = this.#options.clock.after(closeMsMax, () => this.#abort.abort());
    await this.#sending;
    cancel();
    this.#abort.abort();
    this.#cancelTimer?.();
    this.#drop("closed", this.#queue.length);
    this.#queue = [];
    this.#agent.destroy();
  }
}

/** Without what may be secret. */
function shownUrl(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

function rejectedIn(text: string): number {
  try {
    const { partialSuccess } = JSON.parse(text) as { partialSuccess?: { rejectedSpans?: string | number } };
    const count = Number(partialSuccess?.rejectedSpans ?? 0);
    return Number.isSafeInteger(count) && count > 0 ? count : 0;
  } catch {
    return 0;
  }
}

/** Seconds, or a date. */
function retryAfter(text: string | undefined, now: number): { readonly ms?: number } {
  if (text === undefined) return {};
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isFinite(ms) ? { ms: Math.min(Math.max(ms, 0), retryAfterMsMax) } : {};
}

/** `http://host:4318`, or a whole path; eKuiper's tools leave `http://` out. Undefined for what is none. */
export function collectorUrl(text: string): URL | undefined {
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.parse(whole);
  if (url === null || !["http:", "https:"].includes(url.protocol) || url.hostname === "") return undefined;
  if (!/\/v1\/traces\/?$/.test(url.pathname)) url.pathname = `${url.pathname.replace(/\/$/, "")}/v1/traces`;
  return url;
}
