/**
 * Writes lines to InfluxDB over HTTP: what comes at once in requests of some thousand lines.
 *
 * When a server refuses some lines of a request, it writes the others and does not say which were bad. Writing a point
 * again changes nothing, so the request is cut in halves until the bad ones are found.
 * @module
 */
import type { Clock, Logger } from "../../src/connector/context.ts";
import { Disconnected, ItemsFailed, RetryLater } from "../../src/connector/errors.ts";
import type { RowSink } from "../../src/connector/sink.ts";
import type { Struct } from "../../src/connector/source.ts";
import { HttpClient } from "../http/client.ts";
import type { HttpResponse } from "../http/response_reader.ts";
import { excerpt, retryAfter } from "../http/response_check.ts";
import type { HttpTarget } from "../http/target.ts";
import type { TlsOptions } from "../../src/connector/tls_settings.ts";
import { BadPoint } from "./line_protocol.ts";
import type { MessagePoints, RowPoints } from "./row_points.ts";

export interface InfluxSinkOptions {
  readonly points: RowPoints;
  /** What any server answers, whoever asks. */
  readonly ping: HttpTarget;
  /** The write endpoint with its query, precision included. */
  readonly target: HttpTarget;
  /** Lines `Name: value\r\n`. */
  readonly headers: string;
  readonly tls: TlsOptions;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What InfluxDB's makers advise for one request, and well below what a server takes by default. */
const linesMax = 5000;
const charactersMax = 4 * 1024 * 1024;
/** Requests that may go into the search for bad items of one write; what is not cleared by then counts as bad. */
const searchesMax = 200;
/** A server that says "not now" without a time gets the batch again after so long. */
const retryMs = 1000;
const bodyLimit = { bytesMax: 1024 * 1024, beyond: "refuse" } as const;

/** The lines of one message. */
interface Message {
  readonly index: number;
  readonly lines: readonly string[];
}

export class InfluxSink implements RowSink {
  readonly #options: InfluxSinkOptions;
  readonly #client: HttpClient;

  private constructor(options: InfluxSinkOptions) {
    this.#options = options;
    const { clock, tls, timeoutMs } = options;
    this.#client = new HttpClient({ context: { clock }, tls, timeoutMs, bodyLimit, requestsMax: 1 });
  }

  /**
   * Sees that somebody answers, whatever it is: a proxy in between may know no pings.
   *
   * @throws {Disconnected}
   */
  static async open(options: InfluxSinkOptions): Promise<InfluxSink> {
    const sink = new InfluxSink(options);
    try {
      const { ping: target, headers } = options;
      const { signal } = new AbortController();
      await sink.#client.send({ method: "GET", target, headers, body: undefined }, signal);
    } catch (error) {
      await sink.close();
      throw error;
    }
    return sink;
  }

  async write(
    batch: readonly (readonly Struct[])[],
    signal: AbortSignal,
    _ids?: readonly string[],
    settings?: readonly MessagePoints[],
  ): Promise<void> {
    signal.throwIfAborted();
    const failed = new Map<number, string>();
    const messages: Message[] = [];
    for (const [index, rows] of batch.entries()) {
      try {
        const lines = this.#options.points.lines(rows, settings?.[index]);
        if (lines.length > 0) messages.push({ index, lines });
      } catch (error) {
        // Besides what no line can say, a value without JSON text.
        if (!(error instanceof BadPoint) && (error as Error).name !== "RowError") throw error;
        failed.set(index, (error as Error).message);
      }
    }
    const search = { left: searchesMax };
    for (const part of requestsOf(messages)) await this.#send(part, failed, search, signal);
    if (failed.size > 0) throw new ItemsFailed(failed);
  }

  async #send(
    messages: readonly Message[],
    failed: Map<number, string>,
    search: { left: number },
    signal: AbortSignal,
  ): Promise<void> {
    const refusal = await this.#post(messages.flatMap(({ lines }) => lines).join("\n"), signal);
    if (refusal === undefined) return;
    if (messages.length === 1 || search.left < 2) {
      const among = messages.length === 1 ? "" : ` (one or more of ${messages.length} messages)`;
      for (const { index } of messages) failed.set(index, `${refusal}${among}`);
      return;
    }
    search.left -= 2;
    const half = messages.length >> 1;
    await this.#send(messages.slice(0, half), failed, search, signal);
    await this.#send(messages.slice(half), failed, search, signal);
  }

  /** Why lines were refused for good, or undefined. */
  async #post(body: string, signal: AbortSignal): Promise<string | undefined> {
    const { target, headers, clock } = this.#options;
    const answer = await this.#client.send({ method: "POST", target, headers, body }, signal);
    const { status } = answer;
    if (status >= 200 && status <= 299) return undefined;
    const message = `InfluxDB at ${target.origin} has answered ${status}: ${errorOf(answer)}`;
    // The lines, or some of them.
    if (status === 400 || status === 413 || status === 422) return message;
    if (status === 429 || status >= 500) {
      throw new RetryLater(message, retryAfter(answer, clock) ?? retryMs);
    }
    // A login, a database or a bucket that is wrong may be put right without a change of the rule.
    throw new Disconnected(message);
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}

/** Messages in requests; the lines of one stay together. */
function* requestsOf(messages: readonly Message[]): Generator<readonly Message[]> {
  let part: Message[] = [];
  let lines = 0;
  let characters = 0;
  for (const message of messages) {
    const own = message.lines.reduce((sum, line) => sum + line.length + 1, 0);
    if (part.length > 0 && (lines + message.lines.length > linesMax || characters + own > charactersMax)) {
      yield part;
      part = [];
      lines = characters = 0;
    }
    part.push(message);
    lines += message.lines.length;
    characters += own;
  }
  if (part.length > 0) yield part;
}

/** Both versions answer with a JSON object: `{"error": "…"}`, `{"code": "…", "message": "…"}`. */
function errorOf({ body, headers }: HttpResponse): string {
  try {
    const { error, message } = JSON.parse(new TextDecoder().decode(body)) as { error?: unknown; message?: unknown };
    const text = error ?? message;
    if (typeof text === "string") return text.slice(0, 500);
  } catch {
    // A proxy in between answers in its own way.
  }
  return headers.get("x-influxdb-error") ?? excerpt(body);
}
