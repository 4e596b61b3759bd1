/**
 * A WebSocket to another server, opened again whenever it is lost.
 * @module
 */
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Clock, ConnectionState } from "../../src/connector/context.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import type { Payload } from "../../src/connector/sink.ts";
import type { TlsOptions } from "../../src/connector/tls_settings.ts";
import { type Channel, Receivers } from "./channel.ts";
import { Link } from "./link.ts";

export interface ClientChannelOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly tls: TlsOptions;
  readonly pingMs: number;
  readonly clock: Clock;
  readonly onState: (state: ConnectionState, message?: string) => void;
}

const connectMs = 10_000;
const messageBytesMax = 8 * 1024 * 1024;
/** Pauses grow up to this, and are short again after a link that has lived as long. */
const pauseMsMax = 10_000;

export class ClientChannel implements Channel {
  readonly isServer = false;
  readonly receivers = new Receivers(() => this.#link?.pause(this.receivers.isFull));
  readonly #options: ClientChannelOptions;
  readonly #abort = new AbortController();
  #link: Link | undefined;
  #up = Promise.withResolvers<void>();
  readonly #finished: Promise<void>;

  constructor(options: ClientChannelOptions) {
    this.#options = options;
    this.#finished = this.#run();
  }

  get name(): string {
    return this.#options.url;
  }

  get openLinks(): number {
    return this.#link?.isOpen === true ? 1 : 0;
  }

  async #run(): Promise<void> {
    const { clock, onState, url } = this.#options;
    const { signal } = this.#abort;
    let pauseMs = 100;
    while (!signal.aborted) {
      onState("connecting");
      let reason: string;
      const started = clock.now();
      try {
        reason = await this.#live();
      } catch (error) {
        reason = (error as Error).message;
      }
      if (signal.aborted) return;
      onState("disconnected", `${url}: ${reason}`);
      if (clock.now() - started > pauseMsMax) pauseMs = 100;
      await clock.sleep(pauseMs * (1 - Math.random() / 4), signal).catch(() => {});
      pauseMs = Math.min(pauseMsMax, pauseMs * 2);
    }
  }

  /** Opens a link and resolves with the reason of its end. */
  async #live(): Promise<string> {
    const { url, headers, tls, pingMs, clock, onState } = this.#options;
    const { signal } = this.#abort;
    const { WebSocket } = await import("ws");
    signal.throwIfAborted();
    const socket = new WebSocket(url, {
      headers: headers as Record<string, string>,
      handshakeTimeout: connectMs,
      maxPayload: messageBytesMax,
      perMessageDeflate: false,
      ...tls,
    });
    const ended = Promise.withResolvers<string>();
    const abort = () => socket.terminate();
    signal.addEventListener("abort", abort, { once: true });
    socket.on("unexpected-response", (request: ClientRequest, response: IncomingMessage) => {
      ended.resolve(`the server answers ${response.statusCode} to the request for a WebSocket`);
      response.resume();
      request.destroy();
    });
    // Before it is open, so that nothing that comes at once is missed.
    const link = new Link(socket, {
      pingMs,
      clock,
      onMessage: (message) => this.receivers.deliver(message),
      onClose: (reason) => {
        if (this.#link === link) {
          this.#link = undefined;
          this.#up = Promise.withResolvers();
        }
        ended.resolve(reason);
      },
    });
    socket.on("open", () => {
      this.#link = link;
      link.pause(this.receivers.isFull);
      onState("connected");
      this.#up.resolve();
    });
    try {
      return await ended.promise;
    } finally {
      signal.removeEventListener("abort", abort);
      socket.terminate();
    }
  }

  async connected(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    while (this.openLinks === 0) {
      const { promise, reject } = Promise.withResolvers<void>();
      const abort = () => reject(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      try {
        // A link that is being closed says so before its end; only then can there be another.
        await Promise.race([this.#link === undefined ? this.#up.promise : this.#link.ended, promise]);
      } finally {
        signal.removeEventListener("abort", abort);
      }
    }
  }

  async send(batch: readonly Payload[], _timeoutMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const link = this.#link;
    if (link === undefined) throw new Disconnected(`not connected to ${this.name}`);
    const { promise, reject } = Promise.withResolvers<void>();
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      await Promise.race([link.send(batch), promise]);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Says goodbye where somebody listens. */
  async close(): Promise<void> {
    const link = this.#link;
    if (link?.isOpen === true) {
      link.close(1000, "");
      await link.ended;
    }
    this.#abort.abort();
    await this.#finished;
  }
}
