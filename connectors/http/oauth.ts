/**
 * Tokens that a server wants with each request: fetched once, refreshed before they expire.
 * @module
 */
import type { Clock, Logger } from "../../src/connector/context.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import type { Struct } from "../../src/value/value.ts";
import type { HttpClient } from "./client.ts";
import { headerLine } from "./header_line.ts";
import { requestText } from "./response_check.ts";
import type { OAuthSettings } from "./settings.ts";
import { parseTarget } from "./target.ts";
import { type Filler, filler, templateData } from "./request_template.ts";

interface TokenRequest {
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: Filler])[];
  readonly body: Filler;
}

export interface OAuthOptions {
  readonly settings: OAuthSettings;
  readonly client: HttpClient;
  readonly clock: Clock;
  readonly log: Logger;
}

export class TokenKeeper {
  readonly #client: HttpClient;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #access: TokenRequest;
  readonly #refresh: TokenRequest | undefined;
  readonly #expire: Filler;
  #token: Struct | undefined;
  #refreshAt = Infinity;
  /** The request that is under way; others wait for it, too. */
  #fetching: Promise<void> | undefined;

  /** @throws {DiagnosticError} E409 for templates with mistakes */
  constructor({ settings: { access, refresh }, client, clock, log }: OAuthOptions) {
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
    this.#access = tokenRequest(access, "oAuth.access");
    this.#refresh = refresh === undefined ? undefined : tokenRequest(refresh, "oAuth.refresh");
    this.#expire = filler(access.expire, "oAuth.access.expire");
  }

  /**
   * The fields of a token that is good for now.
   *
   * @throws {Disconnected} when there is none to be had
   */
  async fields(signal: AbortSignal): Promise<Struct> {
    while (this.#token === undefined || this.#clock.now() >= this.#refreshAt) {
      this.#fetching ??= this.#fetch(signal).finally(() => this.#fetching = undefined);
      await this.#fetching;
    }
    return this.#token;
  }

  /** Gives up a token that the server refuses, unless it was replaced meanwhile. */
  discard(refused: Struct): void {
    if (this.#token === refused) this.#token = undefined;
  }

  async #fetch(signal: AbortSignal): Promise<void> {
    const before = this.#token;
    if (before !== undefined && this.#refresh !== undefined) {
      try {
        // What a refresh does not tell again, such as the refresh token, stays as it was.
        return this.#keep({ ...before, ...await this.#ask(this.#refresh, before, signal) });
      } catch (error) {
        signal.throwIfAborted();
        this.#log.warn("A token could not be refreshed and is asked for anew", { reason: (error as Error).message });
      }
    }
    this.#keep(await this.#ask(this.#access, {}, signal));
  }

  #keep(token: Struct): void {
    this.#token = token;
    const seconds = Number(this.#expire(token) ?? NaN);
    this.#refreshAt = seconds > 0 ? this.#clock.now() + seconds * 500 : Infinity;
  }

  async #ask({ url, headers, body }: TokenRequest, data: Struct, signal: AbortSignal): Promise<Struct> {
    const target = parseTarget(url);
    const text = body(data) ?? "";
    const lines = headers.map(([name, value]) => headerLine(name, value(data) ?? "")).join("");
    const has = (name: string) => headers.some(([each]) => each.toLowerCase() === name);
    const type = /^\s*[{[]/.test(text) || text === "" ? "application/json" : "application/x-www-form-urlencoded";
    const typeLine = has("content-type") ? "" : headerLine("Content-Type", type);
    const user = target.authorization === undefined || has("authorization")
      ? ""
      : headerLine("Authorization", target.authorization);
    const request = { method: "POST", target, headers: `${typeLine}${user}${lines}`, body: text };
    const response = await this.#client.send(request, signal);
    // Neither the status nor the answer is the data's fault, so that it must wait. Nothing of the body is told: it may be
    // the token.
    const asked = requestText("POST", target);
    if (response.status < 200 || response.status > 299) {
      throw new Disconnected(`No token from ${asked}: response code error: ${response.status}`);
    }
    try {
      const token: unknown = JSON.parse(new TextDecoder().decode(response.body));
      if (typeof token === "object" && token !== null && !Array.isArray(token)) return templateData(token) as Struct;
    } catch {
      // Said below.
    }
    throw new Disconnected(`No token from ${asked}: its answer is no JSON object`);
  }
}

function tokenRequest(
  { url, headers, body }: { readonly url: string; readonly headers: Record<string, string>; readonly body: string },
  path: string,
): TokenRequest {
  return {
    url,
    headers: Object.entries(headers).map(([name, value]) => [name, filler(value, `${path}.headers.${name}`)]),
    body: filler(body, `${path}.body`),
  };
}
