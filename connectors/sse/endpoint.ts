/**
 * A path that clients read events from.
 * @module
 */
import type { ServerResponse } from "node:http";
import type { Clock, Logger } from "../../src/connector/context.ts";
import type { DataExchange, RequestRoute } from "../../src/connector/data_server.ts";
import type { PathEndpoint } from "../../src/connector/served_paths.ts";

export interface EventEndpointOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** An event as it goes over the network. */
interface SentEvent {
  readonly id: string;
  readonly text: string;
}

const heartbeatMs = 15_000;
/** What is kept for clients that come again. */
const keptMax = 1000;
const keptCharactersMax = 1024 * 1024;

export class EventEndpoint implements PathEndpoint {
  readonly route: RequestRoute;
  readonly path: string;
  readonly #options: EventEndpointOptions;
  readonly #clients = new Set<ServerResponse>();
  readonly #waiting = new Set<() => void>();
  readonly #kept: SentEvent[] = [];
  readonly #keptIds = new Set<string>();
  #keptCharacters = 0;
  #cancelHeartbeat: (() => void) | undefined;
  /** Ids of messages that bring none: no two alike, also not of two lives of the process. */
  readonly #life: string;
  #number = 0;

  constructor(options: EventEndpointOptions) {
    this.#options = options;
    this.path = options.path;
    this.#life = options.clock.now().toString(36);
    this.route = { kind: "GET", handle: (exchange) => this.#open(exchange) };
  }

  get clients(): number {
    return this.#clients.size;
  }

  #open({ request, response }: DataExchange): void {
    response.writeHead(200, {
      "Content-Type": "text/event-stream; charset=utf-8",
      "Cache-Control": "no-cache",
      // Proxies must not collect it.
      "X-Accel-Buffering": "no",
    });
    const last = request.headers["last-event-id"];
    const at = last === undefined ? -1 : this.#kept.findLastIndex(({ id }) => id === last);
    const missed = at < 0 ? [] : this.#kept.slice(at + 1);
    response.write(`retry: 1000\n\n${missed.map(({ text }) => text).join("")}`);
    this.#clients.add(response);
    response.on("close", () => {
      this.#clients.delete(response);
      if (this.#clients.size === 0) this.#rest();
    });
    this.#cancelHeartbeat ??= this.#options.clock.after(heartbeatMs, () => this.#beat());
    for (const wake of this.#waiting) wake();
  }

  /** Comments also let the network find out that a client has gone. */
  #beat(): void {
    for (const client of this.#clients) if (!client.writableNeedDrain) client.write(":\n\n");
    this.#cancelHeartbeat = this.#options.clock.after(heartbeatMs, () => this.#beat());
  }

  #rest(): void {
    this.#cancelHeartbeat?.();
    this.#cancelHeartbeat = undefined;
  }

  /** Resolves when there is a client; rejects with the signal's reason. */
  connected(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (this.#clients.size > 0) return resolve();
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

  /** Makes an event, and keeps it for clients that come again. */
  keep(data: string, id: string | undefined): string {
    const own = id ?? `${this.#life}-${++this.#number}`;
    const text = `id: ${own}\ndata: ${data.split(/\r\n|\n|\r/).join("\ndata: ")}\n\n`;
    // A repeat of what is kept already.
    if (this.#keptIds.has(own)) return text;
    this.#kept.push({ id: own, text });
    this.#keptIds.add(own);
    this.#keptCharacters += text.length;
    while (this.#kept.length > keptMax || this.#keptCharacters > keptCharactersMax) {
      const oldest = this.#kept.shift()!;
      this.#keptIds.delete(oldest.id);
      this.#keptCharacters -= oldest.text.length;
    }
    return text;
  }

  /**
   * Sends events to all clients, and resolves when the network has them; false when it has them for nobody.
   */
  async send(text: string, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const clients = [...this.#clients];
    const taken = await Promise.all(clients.map((client) => this.#sendTo(client, text, timeoutMs)));
    signal.throwIfAborted();
    return taken.includes(true);
  }

  #sendTo(client: ServerResponse, text: string, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (isTaken: boolean) => {
        cancel();
        client.off("close", gone);
        resolve(isTaken);
      };
      const gone = () => end(false);
      const cancel = this.#options.clock.after(timeoutMs, () => {
        this.#options.log.warn("a client of an event stream is too slow and is cut off", {
          path: this.path,
          waitedMs: timeoutMs,
        });
        client.destroy();
        end(false);
      });
      client.on("close", gone);
      client.write(text, (error) => end(error === undefined || error === null));
    });
  }

  close(): void {
    this.#rest();
    for (const client of this.#clients) client.end();
  }
}
