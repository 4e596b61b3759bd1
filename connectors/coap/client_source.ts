/**
 * Reads a resource of a server: observes it (RFC 7641), or asks for it again and again.
 *
 * An observation is asked for again when nothing was heard for as long as the last representation was good, so that a
 * server that has forgotten it, or is gone, is noticed. A server that does not know observation is polled instead.
 * @module
 */
import type { Clock, Logger } from "../../src/connector/context.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import type { PayloadBatch, Source, Struct } from "../../src/connector/source.ts";
import { Arrivals } from "./arrivals.ts";
import type { LazyEndpoint } from "./connection.ts";
import { contentFormatName } from "./content_format.ts";
import { type Endpoint, hostPort, type Peer, resolvePeer } from "./endpoint.ts";
import { codeText, type Message, type Option } from "./protocol/message.ts";
import { maxAgeOf, optionNumbers, uintOf, uintOption } from "./protocol/options.ts";
import { collect, isNotification, request, type RequestOptions, type Response } from "./request.ts";
import { checkResponse, describeCode, Refused } from "./target.ts";
import { parseUri } from "./uri.ts";

export interface ClientSourceOptions {
  readonly connection: LazyEndpoint;
  readonly uri: string;
  /** Code of the method. */
  readonly method: number;
  readonly options: readonly Option[];
  readonly payload: Uint8Array;
  readonly observe: boolean;
  /** Between two requests, of a resource that is not observed. */
  readonly intervalMs: number;
  /** Longest silence of an observed resource; that of its Max-Age without it. */
  readonly refreshMs: number | undefined;
  readonly confirmable: boolean;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Representations that wait for a read, and their bytes. */
const waitingMax = 1000;
const waitingBytesMax = 4 * 1024 * 1024;
/** Servers get some time behind Max-Age, and not all are asked at once. */
const graceMs = { min: 5000, max: 15_000 };
/** Numbers of notifications go round; behind so much time a smaller one is newer (RFC 7641, section 3.4). */
const sequenceHalf = 2 ** 23;
const sequenceLifetimeMs = 128_000;
const goodbyeMs = 500;

export class ClientSource implements Source {
  readonly #options: ClientSourceOptions;
  readonly #arrivals = new Arrivals<Response>(waitingMax, waitingBytesMax);
  readonly #closing = new AbortController();
  #session: { readonly endpoint: Endpoint; readonly peer: Peer; readonly token: string } | undefined;
  /** Notifications come. */
  #observes = false;
  #wasPolled = false;
  /** When it is to be asked again. */
  #due: number;
  #sequence: { readonly number: number; readonly at: number } | undefined;
  #last: Uint8Array | undefined;
  /** A notification whose other blocks are being fetched, and the newest one that came meanwhile. */
  #collecting = false;
  #newest: Message | undefined;
  #toldFull = false;

  constructor(options: ClientSourceOptions) {
    this.#options = options;
    this.#due = options.clock.now();
  }

  async read(signal: AbortSignal): Promise<PayloadBatch> {
    const { clock, uri } = this.#options;
    while (true) {
      signal.throwIfAborted();
      const { isEmpty, hasRoom } = this.#arrivals;
      if (isEmpty && hasRoom && clock.now() >= this.#due) await this.#ask(signal);
      const wait = Math.max(0, this.#due - clock.now());
      // Room makes itself known.
      const cancel = hasRoom ? clock.after(wait, () => this.#arrivals.rouse()) : () => {};
      const { items, release } = await this.#arrivals.take(signal).finally(cancel);
      if (items.length === 0) continue;
      this.#toldFull = false;
      return {
        kind: "payloads",
        payloads: items.map(({ payload }) => payload),
        meta: (index) => metadataOf(items[index]!, uri, this.#session?.peer),
        ack: release,
      };
    }
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const { connection, clock, observe, intervalMs } = this.#options;
    const { endpoint, peer, token } = this.#session ??= await this.#connect();
    const content = this.#content(observe ? 0 : undefined);
    const options = this.#requestOptions(signal);
    let response: Response;
    if (observe) {
      const follow = (message: Message) => this.#notified(message);
      const first = await endpoint.request(peer, content, { ...options, token, follow });
      response = await collect(endpoint, peer, content, first, options);
    } else {
      response = await request(endpoint, peer, content, options);
    }
    try {
      checkResponse(response);
    } catch (error) {
      endpoint.forget(token);
      this.#observes = false;
      // What is not there now may be there later.
      if (error instanceof Refused) throw new Disconnected(`${this.#options.uri}: ${error.message}`);
      throw error;
    }
    connection.alive();
    const wasObserved = this.#observes;
    this.#observes = observe && isNotification(response);
    if (this.#observes) {
      this.#heard(response);
      // Nothing has happened: only whether the server remembers was asked.
      if (wasObserved && isSame(response.payload, this.#last)) return;
    } else {
      endpoint.forget(token);
      // A clock that was set does not change the pauses.
      this.#due = clock.now() + intervalMs;
      if (observe && !this.#wasPolled) {
        this.#options.log.warn("A resource cannot be observed and is polled", { uri: this.#options.uri });
        this.#wasPolled = true;
      }
    }
    this.#push(response);
  }

  async #connect(): Promise<{ readonly endpoint: Endpoint; readonly peer: Peer; readonly token: string }> {
    const { host, port } = parseUri(this.#options.uri);
    const peer = await resolvePeer(host, port);
    const { endpoint } = await this.#options.connection.open();
    return { endpoint, peer, token: endpoint.newToken() };
  }

  #content(observe: number | undefined) {
    const { uri, method, options, payload } = this.#options;
    const own: Option[] = [...parseUri(uri).options, ...options];
    if (observe !== undefined) own.push(uintOption(optionNumbers.observe, observe));
    return { code: method, options: own, payload };
  }

  #requestOptions(signal: AbortSignal): RequestOptions {
    const { confirmable, timeoutMs, connection } = this.#options;
    return { confirmable, timeoutMs, signal, blockSize: connection.blockSize };
  }

  /** False for one that cannot be taken now: it is not acknowledged, and the server sends it again. */
  #notified(message: Message): boolean {
    if (this.#closing.signal.aborted) return false;
    if (message.code >> 5 !== 2) {
      this.#arrivals.fail(new Disconnected(`The observation has ended: ${describeCode(message)}`));
      return true;
    }
    if (!isNotification(message)) {
      // The last one.
      this.#observes = false;
      this.#due = this.#options.clock.now();
    } else if (this.#isStale(message)) {
      return true;
    }
    if (this.#collecting) {
      this.#newest = message;
      return true;
    }
    if (!this.#take(message)) {
      if (!this.#toldFull) {
        this.#options.log.warn("Notifications are left to the server while too many wait", { uri: this.#options.uri });
      }
      this.#toldFull = true;
      return false;
    }
    this.#heard(message);
    return true;
  }

  #take(message: Message): boolean {
    if (message.options.every(([number]) => number !== optionNumbers.block2)) return this.#push(message);
    const { endpoint, peer } = this.#session!;
    const options = this.#requestOptions(this.#closing.signal);
    this.#collecting = true;
    collect(endpoint, peer, this.#content(undefined), message, options).then((response) => {
      if (response.code >> 5 === 2) this.#push(response);
    }, (error) => {
      if (!this.#closing.signal.aborted) this.#arrivals.fail(error);
    }).finally(() => {
      this.#collecting = false;
      const next = this.#newest;
      this.#newest = undefined;
      if (next !== undefined) this.#notified(next);
    });
    return true;
  }

  #push(response: Response): boolean {
    const isTaken = this.#arrivals.push(response, response.payload.length);
    if (isTaken) this.#last = response.payload;
    // What is lost now, the next question brings.
    else this.#due = this.#options.clock.now();
    return isTaken;
  }

  #heard(message: Pick<Message, "options">): void {
    const { clock, refreshMs } = this.#options;
    const now = clock.now();
    const number = uintOf(message, optionNumbers.observe);
    if (number !== undefined) this.#sequence = { number, at: now };
    const grace = graceMs.min + Math.random() * (graceMs.max - graceMs.min);
    if (this.#observes) this.#due = now + (refreshMs ?? maxAgeOf(message) * 1000 + grace);
  }

  #isStale(message: Message): boolean {
    const last = this.#sequence;
    const number = uintOf(message, optionNumbers.observe) ?? 0;
    if (last === undefined || this.#options.clock.now() > last.at + sequenceLifetimeMs) return false;
    const isNewer = last.number < number && number - last.number < sequenceHalf ||
      last.number > number && last.number - number > sequenceHalf;
    return !isNewer;
  }

  async close(): Promise<void> {
    this.#closing.abort(new Disconnected("the source is closed"));
    const session = this.#session;
    if (session === undefined) return;
    const { endpoint, peer, token } = session;
    endpoint.forget(token);
    if (!this.#observes || endpoint.isClosed) return;
    // The server should forget the observer; one that does not hear it learns it with its next notification.
    const late = new AbortController();
    const cancel = this.#options.clock.after(goodbyeMs, () => late.abort(new Disconnected("no answer")));
    const options = { ...this.#requestOptions(late.signal), token, follow: () => true };
    await endpoint.request(peer, this.#content(1), options).catch(() => {});
    cancel();
    endpoint.forget(token);
  }
}

function isSame(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function metadataOf(response: Response, uri: string, peer: Peer | undefined): Struct {
  const format = uintOf(response, optionNumbers.contentFormat);
  return {
    uri,
    code: codeText(response.code),
    ...(peer === undefined ? {} : { from: hostPort(peer) }),
    ...(format === undefined ? {} : { contentFormat: contentFormatName(format) }),
  };
}
