/**
 * One connection to an HTTP server, for one request after the other.
 *
 * Our own, on `node:net` and `node:tls`: in front of a keep-alive server it costs a quarter of the processor time of
 * `fetch` or `node:http`, which bear on every message of an action, behaves the same under Deno and Bun, and lets us say
 * to which address it connects.
 * @module
 */
import { Buffer } from "node:buffer";
import * as net from "node:net";
import * as tls from "node:tls";
import { Disconnected } from "../../src/connector/errors.ts";
import type { TlsOptions } from "../../src/connector/tls_settings.ts";
import type { HttpResponse, ResponseReader } from "./response_reader.ts";
import type { HttpTarget } from "./target.ts";

/** Larger bodies are not worth a copy to send them together with their head. */
const copiedBytesMax = 65_536;

interface Exchange {
  readonly reader: ResponseReader;
  readonly head: string;
  readonly body: string | Uint8Array;
  readonly resolve: (response: HttpResponse) => void;
  readonly reject: (reason: unknown) => void;
}

export interface ConnectionOptions {
  readonly target: HttpTarget;
  /** Where to connect to: an address of the target's host, or the host itself. */
  readonly address: string;
  readonly tls: TlsOptions;
  /** Called once, when it is closed. */
  readonly onGone: () => void;
}

export class HttpConnection {
  readonly origin: string;
  readonly #host: string;
  readonly #socket: net.Socket;
  /** The event that says that it is open. */
  readonly #opens: "connect" | "secureConnect";
  #isOpen = false;
  #gone = false;
  #exchange: Exchange | undefined;
  /** What the socket met. */
  #failure: Error | undefined;
  /** Why it was given up by us. */
  #given: { readonly reason: unknown } | undefined;
  /** Whether the peer has closed it, or it broke, before the answer to the last request began. */
  brokeUnanswered = false;

  constructor({ target, address, tls, onGone }: ConnectionOptions) {
    this.origin = target.origin;
    this.#host = `${target.host}:${target.port}`;
    const socket = this.#socket = target.secure ? connectTls(target, address, tls) : net.connect({
      host: address,
      port: target.port,
    });
    this.#opens = target.secure ? "secureConnect" : "connect";
    socket.on(this.#opens, () => {
      socket.setNoDelay(true);
      this.#isOpen = true;
      if (this.#exchange !== undefined) this.#write(this.#exchange);
    });
    socket.on("data", (bytes: Uint8Array) => this.#onData(bytes));
    socket.on("end", () => {
      if (this.#exchange?.reader.end() === true) this.#finish(this.#exchange);
      socket.destroy();
    });
    socket.on("error", (error: Error) => this.#break(error));
    socket.on("close", () => {
      this.#gone = true;
      this.#isOpen = false;
      const exchange = this.#exchange;
      this.#exchange = undefined;
      if (exchange !== undefined) {
        this.brokeUnanswered = !exchange.reader.begun && this.#given === undefined;
        exchange.reject(this.#reason(exchange.reader.begun));
      }
      onGone();
    });
  }

  /** False when it can take no further request. */
  get isUsable(): boolean {
    return !this.#gone && this.#failure === undefined && this.#given === undefined && !this.#socket.destroyed;
  }

  /**
   * Sends a request and waits for its answer; one at a time.
   *
   * @param head the request line and headers, with the empty line
   * @param body empty for none
   * @throws {Disconnected} when there is no answer, or none that can be read
   */
  exchange(head: string, body: string | Uint8Array, reader: ResponseReader): Promise<HttpResponse> {
    return new Promise((resolve, reject) => {
      const exchange: Exchange = { reader, head, body, resolve, reject };
      if (this.#gone) return reject(this.#reason(false));
      this.#exchange = exchange;
      if (this.#isOpen) this.#write(exchange);
    });
  }

  /** Resolves when it is open. @throws {Disconnected} when it cannot be opened */
  opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isOpen) return resolve();
      this.#socket.once("close", () => reject(this.#reason(false)));
      this.#socket.once(this.#opens, () => resolve());
      if (this.#gone) reject(this.#reason(false));
    });
  }

  /** Closes it at once; a request that waits is rejected with `reason`. */
  destroy(reason: unknown): void {
    this.#given ??= { reason };
    this.#socket.destroy();
  }

  #break(error: Error): void {
    this.#failure ??= error;
    this.#socket.destroy();
  }

  #write({ head, body }: Exchange): void {
    const socket = this.#socket;
    if (typeof body === "string") socket.write(head + body);
    else if (body.length <= copiedBytesMax) socket.write(Buffer.concat([Buffer.from(head), body]));
    else {
      socket.write(head);
      socket.write(body);
    }
  }

  #onData(bytes: Uint8Array): void {
    const exchange = this.#exchange;
    // Nobody has asked: what comes next could be taken for an answer.
    if (exchange === undefined) return this.#break(new Error("the peer spoke without being asked"));
    try {
      exchange.reader.push(bytes);
    } catch (error) {
      return this.#break(error as Error);
    }
    if (exchange.reader.isDone) this.#finish(exchange);
  }

  #finish(exchange: Exchange): void {
    this.#exchange = undefined;
    // An answer that came before the request was sent as a whole leaves the rest of it on the connection.
    const isReusable = exchange.reader.keepsOpen && this.#socket.writableLength === 0;
    if (!isReusable) this.destroy(new Error("the connection is not kept"));
    exchange.resolve(exchange.reader.response);
  }

  #reason(hasBegun: boolean): unknown {
    if (this.#given !== undefined) return this.#given.reason;
    const failure = this.#failure;
    if (failure !== undefined) return new Disconnected(`${this.#host}: ${describe(failure)}`, { cause: failure });
    const when = hasBegun ? "in the middle of its answer" : "without an answer";
    return new Disconnected(`${this.#host} has closed the connection ${when}`);
  }
}

/** What failed with several addresses has its reasons inside. */
function describe(error: Error): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return error.errors.map((each) => (each as Error).message).join("; ");
  }
  return error.message || (error as { code?: string }).code || error.name;
}

function connectTls(target: HttpTarget, address: string, options: TlsOptions): net.Socket {
  const servername = options.servername ?? (net.isIP(target.host) === 0 ? target.host : undefined);
  return tls.connect({
    ...options,
    host: address,
    port: target.port,
    ALPNProtocols: ["http/1.1"],
    ...(servername === undefined ? {} : { servername }),
  });
}
