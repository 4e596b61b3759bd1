/**
 * Makes requests of settings and data, sends them, and reads the answers.
 * @module
 */
import { Buffer } from "node:buffer";
import type { ConnectorContext } from "../../src/connector/context.ts";
import { tlsOptions } from "../../src/connector/tls_settings.ts";
import type { Struct } from "../../src/value/value.ts";
import { encodeBody } from "../http/body.ts";
import { HttpClient, type HttpRequest } from "../http/client.ts";
import { bodyOf } from "../http/content_encoding.ts";
import { framingHeader, hasHeader, headerLine } from "../http/header_line.ts";
import { TokenKeeper } from "../http/oauth.ts";
import { sendFollowing } from "../http/redirect.ts";
import { type Filler, filler } from "../http/request_template.ts";
import { excerpt, refusalOf, requestText, retryAfter } from "../http/response_check.ts";
import { BadRequest, type HttpTarget, parseTarget } from "../http/target.ts";
import { type RequestSettings, urlOf } from "./request_settings.ts";

/** An answer is one payload, whose rows are in memory at once. */
const answerBytesMax = 64 * 1024 * 1024;

const contentCodings = { "": "gzip", gzip: "gzip", zlib: "deflate", flate: "deflate", zstd: "zstd" } as const;

/** The server has answered with what gives no rows, or the request could not be made. */
export class PullRefused extends Error {
  /** Of the answer; undefined when there was none. */
  readonly status: number | undefined;
  /** When the server wants to be asked again. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, answer: { readonly status?: number; readonly retryAfterMs?: number | undefined } = {}) {
    super(message);
    this.name = "PullRefused";
    this.status = answer.status;
    this.retryAfterMs = answer.retryAfterMs;
  }
}

export interface PullerOptions {
  readonly settings: RequestSettings;
  readonly context: ConnectorContext;
  /** Requests under way at once. */
  readonly requestsMax: number;
}

export class Puller {
  readonly #settings: RequestSettings;
  readonly #context: ConnectorContext;
  readonly #client: HttpClient;
  readonly #tokens: TokenKeeper | undefined;
  readonly #url: Filler;
  readonly #body: Filler;
  readonly #headers: readonly (readonly [name: string, value: Filler])[];

  /** @throws {DiagnosticError} for settings that make no request */
  constructor({ settings, context, requestsMax }: PullerOptions) {
    const { timeout, oAuth, headers, body } = settings;
    const { clock, log } = context;
    this.#settings = settings;
    this.#context = context;
    const client = this.#client = new HttpClient({
      context,
      tls: tlsOptions(settings),
      timeoutMs: timeout,
      bodyLimit: { bytesMax: answerBytesMax, beyond: "refuse" },
      requestsMax,
    });
    this.#tokens = oAuth === undefined ? undefined : new TokenKeeper({ settings: oAuth, client, clock, log });
    this.#url = filler(urlOf(settings), "url");
    this.#body = filler(body, "body");
    this.#headers = Object.entries(headers).map(([name, value]) => [name, filler(value, `headers.${name}`)]);
  }

  /**
   * Sends a request made of `data` and gives the body of the answer.
   *
   * @param query appended to the URL
   * @throws {Disconnected} when there is no answer
   * @throws {PullRefused} when it is a bad one, or the request cannot be made
   */
  async pull(data: Struct, signal: AbortSignal, query = ""): Promise<Uint8Array> {
    try {
      return await this.#pull(data, signal, query);
    } catch (error) {
      if (error instanceof BadRequest) throw new PullRefused(error.message);
      throw error;
    }
  }

  async #pull(data: Struct, signal: AbortSignal, query: string): Promise<Uint8Array> {
    for (let isSecond = false;; isSecond = true) {
      const token = await this.#tokens?.fields(signal);
      const request = this.#request(token === undefined ? data : { ...data, ...token }, query);
      const response = await sendFollowing(this.#client, request, signal);
      if (response.status === 401 && token !== undefined && !isSecond) {
        this.#tokens!.discard(token);
        continue;
      }
      const body = await bodyOf(response, answerBytesMax);
      const refusal = refusalOf(response, body, this.#settings.responseType);
      if (refusal === undefined) return body;
      const said = excerpt(body);
      const asked = requestText(request.method, request.target);
      throw new PullRefused(`${asked}: ${refusal}${said === "" ? "" : `: ${said}`}`, {
        status: response.status,
        retryAfterMs: retryAfter(response, this.#context.clock),
      });
    }
  }

  #request(data: Struct, query: string): HttpRequest {
    const { method, bodyType = method === "GET" ? "none" : "json", compression } = this.#settings;
    const url = filled(this.#url, data, "url");
    const target: HttpTarget = parseTarget(url + (query === "" ? "" : `${url.includes("?") ? "&" : "?"}${query}`));
    const payload = bodyType === "none" ? "" : filled(this.#body, data, "body");
    const { body, contentType } = encodeBody(bodyType, payload, { fields: {}, fileFieldName: "uploadFile" });
    const headers = Object.fromEntries(
      this.#headers.map(([name, value]) => [name, filled(value, data, `headers.${name}`)]),
    );
    const ours: readonly (readonly [name: string, value: string | undefined])[] = [
      ["User-Agent", "weir"],
      ["Accept", "*/*"],
      ["Accept-Encoding", contentCodings[compression]],
      ["Authorization", target.authorization],
      ["Content-Type", contentType],
    ];
    const lines = [
      ...ours.map(([name, value]) => value === undefined || hasHeader(headers, name) ? "" : headerLine(name, value)),
      ...Object.entries(headers).map(([name, value]) => framingHeader.test(name) ? "" : headerLine(name, value)),
    ];
    return { method, target, headers: lines.join(""), body };
  }

  /** Closes its connections. */
  close(): Promise<void> {
    return this.#client.close();
  }
}

function filled(filler: Filler, data: Struct, name: string): string {
  const text = filler(data);
  if (text === undefined) throw new BadRequest(`The template of "${name}" needs a value that is not there yet`);
  return text;
}

/** The text of a body. */
export function textOf(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8");
}
