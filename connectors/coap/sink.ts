/**
 * Sends each message to a resource, one after the other, and waits for its answer.
 *
 * A batch that was broken off goes on with the message that failed when it is written again.
 * @module
 */
import { ItemsFailed } from "../../src/connector/errors.ts";
import type { Payload, PayloadSink } from "../../src/connector/sink.ts";
import type { LazyEndpoint } from "./connection.ts";
import { contentFormatForm, contentFormatOf } from "./content_format.ts";
import { type Peer, resolvePeer } from "./endpoint.ts";
import type { Option } from "./protocol/message.ts";
import { optionNumbers, uintOption } from "./protocol/options.ts";
import { request } from "./request.ts";
import { checkResponse, Refused } from "./target.ts";
import { BadUri, parseUri } from "./uri.ts";

export const sinkMethods = ["POST", "PUT", "GET", "DELETE", "FETCH", "PATCH", "IPATCH"] as const;

/** What may be another for each message. */
interface Address {
  readonly uri: string;
  readonly method: string;
  readonly contentFormat: string | undefined;
}

export interface CoapSinkOptions extends Address {
  readonly connection: LazyEndpoint;
  readonly accept: string | undefined;
  readonly confirmable: boolean;
  readonly timeoutMs: number;
}

const codes: Readonly<Record<string, number>> = { GET: 1, POST: 2, PUT: 3, DELETE: 4, FETCH: 5, PATCH: 6, IPATCH: 7 };
const withoutPayload = ["GET", "DELETE"];
const encoder = new TextEncoder();
const none = new Uint8Array(0);
/** Hosts whose address is known; templates may name many. */
const peersMax = 1000;

export class CoapSink implements PayloadSink {
  readonly #options: CoapSinkOptions;
  readonly #peers = new Map<string, Peer>();
  #begun: { readonly batch: unknown; next: number; readonly failed: Map<number, string> } | undefined;

  constructor(options: CoapSinkOptions) {
    this.#options = options;
  }

  async write(
    batch: readonly Payload[],
    signal: AbortSignal,
    _ids?: readonly string[],
    settings?: readonly Partial<Address>[],
  ): Promise<void> {
    signal.throwIfAborted();
    if (this.#begun?.batch !== batch) this.#begun = { batch, next: 0, failed: new Map() };
    const begun = this.#begun;
    while (begun.next < batch.length) {
      const index = begun.next;
      try {
        await this.#send(batch[index]!, { ...this.#options, ...settings?.[index] }, signal);
      } catch (error) {
        if (!(error instanceof Refused) && !(error instanceof BadUri)) throw error;
        begun.failed.set(index, error.message);
      }
      begun.next++;
    }
    this.#begun = undefined;
    if (begun.failed.size > 0) throw new ItemsFailed(begun.failed);
  }

  async #send(item: Payload, { uri, method, contentFormat }: Address, signal: AbortSignal): Promise<void> {
    const { connection, accept, confirmable, timeoutMs } = this.#options;
    const code = codes[method.trim().toUpperCase()];
    if (code === undefined) throw new Refused(`Bad method "${method}": wanted ${sinkMethods.join(", ")}`);
    const { host, port, options } = parseUri(uri);
    const content = {
      code,
      options: [...options, ...formatOption(optionNumbers.accept, "accept", accept)],
      payload: none as Uint8Array,
    };
    if (!withoutPayload.includes(method.trim().toUpperCase())) {
      content.payload = typeof item === "string" ? encoder.encode(item) : item;
      content.options.push(...formatOption(optionNumbers.contentFormat, "contentFormat", contentFormat));
    }
    const peer = await this.#peer(host, port);
    const { endpoint } = await connection.open();
    const { blockSize } = connection;
    if (!confirmable && content.payload.length <= blockSize) {
      return await endpoint.send(peer, { ...content, token: endpoint.newToken() }, false);
    }
    checkResponse(await request(endpoint, peer, content, { confirmable, timeoutMs, signal, blockSize }));
  }

  async #peer(host: string, port: number): Promise<Peer> {
    const key = `${host} ${port}`;
    const known = this.#peers.get(key);
    if (known !== undefined) return known;
    const peer = await resolvePeer(host, port);
    if (this.#peers.size >= peersMax) this.#peers.clear();
    this.#peers.set(key, peer);
    return peer;
  }

  /** The connection belongs to the engine. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}

function formatOption(number: number, name: string, text: string | undefined): Option[] {
  if (text === undefined || text === "") return [];
  const value = contentFormatOf(text);
  if (value === undefined) throw new Refused(`Bad ${name} "${text}": wanted ${contentFormatForm}`);
  return [uintOption(number, value)];
}
