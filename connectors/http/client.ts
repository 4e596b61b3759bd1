/**
 * A client of HTTP/1.1 that keeps its connections open between requests.
 *
 * One belongs to each source, lookup and sink, so that none waits for another and closing one closes what it opened.
 * @module
 */
import { Buffer } from "node:buffer";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { ConnectorContext } from "../../src/connector/context.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import type { TlsOptions } from "../../src/connector/tls_settings.ts";
import { HttpConnection } from "./connection.ts";
import { type BodyLimit, type HttpResponse, ResponseReader } from "./response_reader.ts";
import { BadRequest, type HttpTarget } from "./target.ts";

export interface HttpRequest {
  /** In capitals. */
  readonly method: string;
  readonly target: HttpTarget;
  /** Lines `Name: value\r\n`, without Host and Content-Length; see `headerLine`. */
  readonly headers: string;
  /** Undefined: none. */
  readonly body: string | Uint8Array | undefined;
}

export interface HttpClientOptions {
  readonly context: Pick<ConnectorContext, "clock" | "refusesAddress">;
  readonly tls: TlsOptions;
  /** The longest wait for an answer, with the time to connect, in milliseconds. */
  readonly timeoutMs: number;
  readonly bodyLimit: BodyLimit;
  /** Requests under way at once; those beyond wait. */
  readonly requestsMax: number;
}

/** Servers often close after 60 seconds of silence, some earlier: what has been idle for longer is not used again. */
const idleMsMax = 30_000;
/** Kept open: messages of one action may go to different servers in turn. */
const idleConnectionsMax = 32;
/** Longest look at whether a server takes connections: a rule that stops waits for it. */
const reachMsMax = 5_000;

interface Idle {
  readonly connection: HttpConnection;
  readonly since: number;
}

const noBody = "";

export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #all = new Set<HttpConnection>();
  /** Oldest first. */
  #idle: Idle[] = [];
  #taken = 0;
  #waiting: (() => void)[] = [];
  #isClosed = false;

  constructor(options: HttpClientOptions) {
    this.#options = options;
  }

  /**
   * Sends a request and waits for the answer, whatever its status.
   *
   * When the server closes a kept connection just as it is used, the request goes out once more on a new one. It may
   * then have arrived twice; so may any request after `Disconnected`.
   *
   * @throws {Disconnected} when there is no answer in time, or none that can be read
   * @throws {BadRequest} when the agent may not connect to the host
   * @throws the reason of `signal` when that aborts
   */
  async send(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    if (this.#taken >= this.#options.requestsMax) await this.#turn(signal);
    this.#taken++;
    try {
      return await this.#sendNow(request, signal);
    } finally {
      this.#taken--;
      this.#waiting.shift()?.();
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    while (this.#taken >= this.#options.requestsMax) {
      await new Promise<void>((resolve, reject) => {
        const abort = () => {
          this.#waiting = this.#waiting.filter((each) => each !== wake);
          reject(signal.reason);
        };
        const wake = () => {
          signal.removeEventListener("abort", abort);
          resolve();
        };
        signal.addEventListener("abort", abort, { once: true });
        this.#waiting.push(wake);
      });
    }
  }

  async #sendNow(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    signal.throwIfAborted();
    const { timeoutMs, context: { clock } } = this.#options;
    const { target } = request;
    const [head, body] = encode(request);
    let connection: HttpConnection | undefined;
    let givenUp: { readonly reason: unknown } | undefined;
    let stopWaiting: (reason: unknown) => void = () => {};
    const giveUp = (reason: unknown) => {
      givenUp = { reason };
      stopWaiting(reason);
      connection?.destroy(reason);
    };
    const abort = () => giveUp(signal.reason);
    const cancel = clock.after(timeoutMs, () => {
      giveUp(new Disconnected(`${target.host}:${target.port} has not answered within ${timeoutMs} ms`));
    });
    signal.addEventListener("abort", abort);
    try {
      while (true) {
        connection = this.#takeIdle(target.origin);
        const isKept = connection !== undefined;
        connection ??= this.#options.context.refusesAddress === undefined
          ? this.#open(target, target.host)
          : await new Promise<HttpConnection>((resolve, reject) => {
            // Resolving a name cannot be broken off, only left alone.
            stopWaiting = reject;
            this.#openAllowed(target).then(
              (opened) => givenUp === undefined ? resolve(opened) : opened.destroy(unused),
              reject,
            );
          });
        if (givenUp !== undefined) connection.destroy((givenUp as { readonly reason: unknown }).reason);
        try {
          const reader = new ResponseReader(request.method, this.#options.bodyLimit);
          const response = await connection.exchange(head, body, reader);
          if (connection.isUsable) this.#keep(connection);
          return response;
        } catch (error) {
          if (!isKept || !connection.brokeUnanswered) throw error;
        }
      }
    } finally {
      cancel();
      signal.removeEventListener("abort", abort);
    }
  }

  #keep(connection: HttpConnection): void {
    const now = this.#options.context.clock.now();
    this.#idle.push({ connection, since: now });
    const [oldest] = this.#idle as [Idle];
    if (this.#idle.length > idleConnectionsMax || !isFresh(oldest, now)) oldest.connection.destroy(unused);
  }

  #takeIdle(origin: string): HttpConnection | undefined {
    const now = this.#options.context.clock.now();
    while (true) {
      const at = this.#idle.findLastIndex(({ connection }) => connection.origin === origin);
      if (at === -1) return undefined;
      const [idle] = this.#idle.splice(at, 1) as [Idle];
      if (idle.connection.isUsable && isFresh(idle, now)) return idle.connection;
      idle.connection.destroy(unused);
    }
  }

  #open(target: HttpTarget, address: string): HttpConnection {
    if (this.#isClosed) throw new Disconnected("the client is closed");
    const connection: HttpConnection = new HttpConnection({
      target,
      address,
      tls: this.#options.tls,
      onGone: () => {
        this.#all.delete(connection);
        this.#idle = this.#idle.filter((each) => each.connection !== connection);
      },
    });
    this.#all.add(connection);
    return connection;
  }

  /**
   * Finds out whether a server takes connections, without asking it anything.
   *
   * @throws as `send`
   */
  async reach(target: HttpTarget): Promise<void> {
    const { context: { clock, refusesAddress } } = this.#options;
    const timeoutMs = Math.min(this.#options.timeoutMs, reachMsMax);
    let connection: HttpConnection | undefined;
    let giveUp: (reason: unknown) => void = () => {};
    const late = new Promise<never>((_, reject) => giveUp = reject);
    late.catch(() => {});
    const cancel = clock.after(timeoutMs, () => {
      giveUp(new Disconnected(`${target.host}:${target.port} takes no connection within ${timeoutMs} ms`));
    });
    try {
      const opening = refusesAddress === undefined ? this.#open(target, target.host) : this.#openAllowed(target);
      connection = await Promise.race([opening, late]);
      await Promise.race([connection.opened(), late]);
    } finally {
      cancel();
      // Kept open without a request, it would be all that a small server can serve.
      connection?.destroy(unused);
    }
  }

  /**
   * Opens a connection where some addresses are refused. Names are resolved here, and the connection is made to the very
   * address that was looked at: a name may lead elsewhere the next time.
   */
  async #openAllowed(target: HttpTarget): Promise<HttpConnection> {
    const { host } = target;
    let addresses = [host];
    if (isIP(host) === 0) {
      try {
        addresses = (await lookup(host, { all: true })).map(({ address }) => address);
      } catch (error) {
        throw new Disconnected(`${host}: ${(error as Error).message}`, { cause: error });
      }
    }
    const refusals = addresses.map((address) => this.#options.context.refusesAddress?.(host, address));
    const allowed = addresses.filter((_, i) => refusals[i] === undefined);
    const last = allowed.pop();
    if (last === undefined) throw new BadRequest(refusals[0] ?? `"${host}" has no address`);
    for (const address of allowed) {
      const connection = this.#open(target, address);
      try {
        await connection.opened();
        return connection;
      } catch {
        // The next one.
      }
    }
    return this.#open(target, last);
  }

  /** Closes all connections; requests that wait are rejected. */
  close(): Promise<void> {
    this.#isClosed = true;
    const closed = new Disconnected("the client is closed");
    for (const connection of this.#all) connection.destroy(closed);
    return Promise.resolve();
  }
}

/** A clock that was set back makes nothing fresh. */
function isFresh({ since }: Idle, now: number): boolean {
  return Math.abs(now - since) <= idleMsMax;
}

const unused = new Error("the connection is not used any more");

/** Methods without a meaning for a body say nothing of its length when there is none. */
const bodiless: readonly string[] = ["GET", "HEAD", "DELETE"];

function encode({ method, target, headers, body }: HttpRequest): [head: string, body: string | Uint8Array] {
  const length = body === undefined ? 0 : typeof body === "string" ? Buffer.byteLength(body) : body.length;
  const hasLength = body !== undefined || !bodiless.includes(method);
  const port = target.port === (target.secure ? 443 : 80) ? "" : `:${target.port}`;
  const host = target.host.includes(":") ? `[${target.host}]` : target.host;
  const head = `${method} ${target.path} HTTP/1.1\r\nHost: ${host}${port}\r\n${headers}${
    hasLength ? `Content-Length: ${length}\r\n` : ""
  }\r\n`;
  return [head, body ?? noBody];
}
