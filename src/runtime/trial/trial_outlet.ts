/**
 * Where the results of a trial run come out: a path of the data server, as an event stream for who asks with GET, and as a
 * WebSocket for who upgrades.
 *
 * Nothing is kept: what comes while nobody listens is gone. A listener that does not take what it is sent holds the trial
 * back for a moment only, and is then cut off.
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { WebSocket, WebSocketServer } from "ws";
import type { Clock, Logger } from "../../connector/context.ts";
import { type DataExchange, type DataRoute, Refusal } from "../../connector/data_server.ts";
import type { Payload } from "../../connector/sink.ts";

export interface TrialOutletOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long a listener may take for what it is sent, in milliseconds; 5 s when absent. */
  readonly sendMsMax?: number;
}

/** One that listens. */
interface Listener {
  /** Calls `done` when the network has it. */
  send(payloads: readonly Payload[], done: () => void): void;
  /** Says that there will be nothing more. */
  end(): void;
  cutOff(): void;
}

const sendMsMaxDefault = 5000;
const heartbeatMs = 15_000;
/** A peer that does not take the end is cut off after so long. */
const closeMs = 1000;
const listenersMax = 64;
/** Listeners have nothing to say. */
const messageBytesMax = 1024;
/** Codes of RFC 6455: the server goes away; come again later. */
const goingAway = 1001;
const tryAgainLater = 1013;

const decoder = new TextDecoder("utf-8", { fatal: true });

export class TrialOutlet {
  readonly routes: readonly DataRoute[];
  readonly #options: TrialOutletOptions;
  /** With what is called when one has gone, by whatever hand. */
  readonly #listeners = new Map<Listener, Set<() => void>>();
  #cancelHeartbeat: (() => void) | undefined;
  #server: Promise<WebSocketServer> | undefined;
  #isClosed = false;

  constructor(options: TrialOutletOptions) {
    this.#options = options;
    this.routes = [
      { kind: "GET", handle: (exchange) => this.#openEvents(exchange) },
      {
        kind: "WebSocket",
        upgrade: (request, socket, head) => {
          this.#upgrade(request, socket, head).catch((error) => {
            options.log.error("a WebSocket could not be opened", { path: options.path, reason: String(error) });
            socket.destroy();
          });
        },
      },
    ];
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  /** Resolves when every listener has it, or is gone. */
  async send(payloads: readonly Payload[]): Promise<void> {
    const all = [...this.#listeners.keys()];
    await Promise.all(all.map((listener) => this.#sendTo(listener, payloads)));
  }

  #sendTo(listener: Listener, payloads: readonly Payload[]): Promise<void> {
    const { path, clock, log, sendMsMax = sendMsMaxDefault } = this.#options;
    return new Promise((resolve) => {
      const gone = this.#listeners.get(listener);
      if (gone === undefined) return resolve();
      const end = () => {
        cancel();
        gone.delete(end);
        resolve();
      };
      const cancel = clock.after(sendMsMax, () => {
        log.warn("a listener of a trial run is too slow and is cut off", { path, waitedMs: sendMsMax });
        listener.cutOff();
        end();
      });
      gone.add(end);
      listener.send(payloads, end);
    });
  }

  #add(listener: Listener): void {
    this.#listeners.set(listener, new Set());
    this.#cancelHeartbeat ??= this.#options.clock.after(heartbeatMs, () => this.#beat());
  }

  #remove(listener: Listener): void {
    const gone = this.#listeners.get(listener);
    this.#listeners.delete(listener);
    for (const end of [...gone ?? []]) end();
    if (this.#listeners.size === 0) this.#rest();
  }

  /** Also lets the network find out that a listener has gone. */
  #beat(): void {
    for (const listener of this.#listeners.keys()) listener.send([], () => {});
    this.#cancelHeartbeat = this.#options.clock.after(heartbeatMs, () => this.#beat());
  }

  #rest(): void {
    this.#cancelHeartbeat?.();
    this.#cancelHeartbeat = undefined;
  }

  #openEvents({ response }: DataExchange): void {
    if (this.#listeners.size >= listenersMax) throw Refusal.later(`more than ${listenersMax} listen to this trial run`);
    response.writeHead(200, {
      "Content-Type": "text/event-stream; charset=utf-8",
      "Cache-Control": "no-cache",
      // Proxies must not collect it.
      "X-Accel-Buffering": "no",
    });
    // Who listens knows from it that nothing is lost from now on.
    response.write(":\n\n");
    const listener = eventListener(response, this.#options.clock);
    this.#add(listener);
    response.on("close", () => this.#remove(listener));
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): Promise<void> {
    this.#server ??= import("ws").then(({ WebSocketServer }) =>
      new WebSocketServer({ noServer: true, maxPayload: messageBytesMax, perMessageDeflate: false })
    );
    const server = await this.#server;
    server.handleUpgrade(request, socket, head as never, (webSocket) => {
      const listener = webSocketListener(webSocket, this.#options.clock);
      webSocket.on("error", () => {});
      if (this.#isClosed) return listener.end();
      if (this.#listeners.size >= listenersMax) return webSocket.close(tryAgainLater, "too many listeners");
      this.#add(listener);
      webSocket.on("close", () => this.#remove(listener));
    });
  }

  /** Listeners learn that it is over. */
  close(): void {
    this.#isClosed = true;
    this.#rest();
    for (const listener of [...this.#listeners.keys()]) listener.end();
  }
}

function eventListener(response: ServerResponse, clock: Clock): Listener {
  return {
    send(payloads, done) {
      if (payloads.length === 0) {
        if (!response.writableNeedDrain) response.write(":\n\n");
        return done();
      }
      response.write(payloads.map(eventOf).join(""), () => done());
    },
    end() {
      response.end();
      const cancel = clock.after(closeMs, () => response.destroy());
      response.once("close", cancel);
    },
    cutOff: () => void response.destroy(),
  };
}

/** An event holds text alone. */
function eventOf(payload: Payload): string {
  let text: string;
  try {
    text = typeof payload === "string" ? payload : decoder.decode(payload);
  } catch {
    text = JSON.stringify({ error: `a result of ${payload.length} bytes is no text: a WebSocket takes it` });
  }
  return `data: ${text.split(/\r\n|\n|\r/).join("\ndata: ")}\n\n`;
}

function webSocketListener(webSocket: WebSocket, clock: Clock): Listener {
  return {
    send(payloads, done) {
      if (payloads.length === 0) webSocket.ping();
      let left = payloads.length;
      if (left === 0) return done();
      for (const payload of payloads) {
        webSocket.send(payload, { binary: typeof payload !== "string" }, () => {
          if (--left === 0) done();
        });
      }
    },
    end() {
      webSocket.close(goingAway, "the trial run has ended");
      const cancel = clock.after(closeMs, () => webSocket.terminate());
      webSocket.once("close", cancel);
    },
    cutOff: () => webSocket.terminate(),
  };
}
