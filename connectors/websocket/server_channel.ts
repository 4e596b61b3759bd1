/**
 * A path of the data server that clients connect to.
 * @module
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { WebSocketServer } from "ws";
import type { Clock, Logger } from "../../src/connector/context.ts";
import type { WebSocketRoute } from "../../src/connector/data_server.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import type { PathEndpoint } from "../../src/connector/served_paths.ts";
import type { Payload } from "../../src/connector/sink.ts";
import { type Channel, Receivers } from "./channel.ts";
import { Link } from "./link.ts";

export interface ServerChannelOptions {
  readonly path: string;
  readonly pingMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Codes of RFC 6455: the server goes away; come again later. */
const goingAway = 1001;
const tryAgainLater = 1013;

export class ServerChannel implements Channel, PathEndpoint {
  readonly isServer = true;
  readonly route: WebSocketRoute;
  readonly receivers = new Receivers(() => this.#pause());
  readonly name: string;
  readonly #options: ServerChannelOptions;
  readonly #links = new Set<Link>();
  #server: Promise<WebSocketServer> | undefined;
  #waiting = new Set<() => void>();
  #isClosed = false;

  constructor(options: ServerChannelOptions) {
    this.#options = options;
    this.name = options.path;
    this.route = {
      kind: "WebSocket",
      upgrade: (request, socket, head, bytesMax) => {
        this.#upgrade(request, socket, head, bytesMax).catch((error) => {
          options.log.error("a WebSocket could not be opened", { path: this.name, reason: String(error) });
          socket.destroy();
        });
      },
    };
  }

  get openLinks(): number {
    let count = 0;
    for (const { isOpen } of this.#links) if (isOpen) count++;
    return count;
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array, bytesMax: number): Promise<void> {
    this.#server ??= import("ws").then(({ WebSocketServer }) =>
      new WebSocketServer({ noServer: true, maxPayload: bytesMax, perMessageDeflate: false })
    );
    const server = await this.#server;
    server.handleUpgrade(request, socket, head as never, (webSocket) => {
      const link = new Link(webSocket, {
        pingMs: this.#options.pingMs,
        clock: this.#options.clock,
        onMessage: (message) => this.receivers.deliver(message),
        onClose: (reason) => {
          this.#links.delete(link);
          this.#options.log.debug("a WebSocket client has gone", { path: this.name, reason });
        },
      });
      if (this.#isClosed) return link.close(goingAway, "the rule has stopped");
      this.#links.add(link);
      link.pause(this.receivers.isFull);
      for (const wake of this.#waiting) wake();
    });
  }

  #pause(): void {
    const { isFull } = this.receivers;
    for (const link of this.#links) link.pause(isFull);
  }

  connected(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (this.openLinks > 0) return resolve();
      const end = () => {
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", abort);
      };
      const wake = () => {
        end();
        resolve();
      };
      const abort = () => {
        end();
        reject(signal.reason);
      };
      this.#waiting.add(wake);
      signal.addEventListener("abort", abort, { once: true });
    });
  }

  async send(batch: readonly Payload[], timeoutMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const links = [...this.#links].filter(({ isOpen }) => isOpen);
    const outcomes = await Promise.allSettled(links.map((link) => this.#sendTo(link, batch, timeoutMs)));
    signal.throwIfAborted();
    if (outcomes.some(({ status }) => status === "fulfilled")) return;
    throw new Disconnected(`no client of ${this.name} has taken the messages`);
  }

  /** A client that takes too long goes, so that it does not hold up all others for ever. */
  async #sendTo(link: Link, batch: readonly Payload[], timeoutMs: number): Promise<void> {
    const cancel = this.#options.clock.after(timeoutMs, () => {
      this.#options.log.warn("a WebSocket client is too slow and is cut off", { path: this.name, waitedMs: timeoutMs });
      link.close(tryAgainLater, "too slow");
    });
    try {
      await link.send(batch);
    } finally {
      cancel();
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const link of this.#links) link.close(goingAway, "the rule has stopped");
  }
}
