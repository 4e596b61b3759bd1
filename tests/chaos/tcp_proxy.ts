/**
 * A TCP proxy that disturbs what it forwards: it stalls, delays, sends one byte at a time, goes silent without closing,
 * resets, and cuts a connection after so many bytes. Whatever it does follows from its seed and the order of the
 * connections.
 *
 * ```ts ignore
 * const proxy = await ChaosProxy.start(broker.port, seed);
 * // … connect to proxy.port …
 * proxy.calm();
 * await proxy.stop();
 * ```
 * @module
 */
import { Buffer } from "node:buffer";
import { connect, createServer, type Server, type Socket } from "node:net";
import { SeededRandom } from "../../src/value/seeded_random.ts";

/** What happens to a connection. */
export const disturbances = ["none", "stall", "delay", "trickle", "silence", "reset", "cut"] as const;
export type Disturbance = (typeof disturbances)[number];

/** Longer than any keep-alive of the tests: a peer that trusts a silent connection is stuck for good. */
const silenceMs = 60_000;
/** Bytes that are sent one by one, before a trickling connection flows again. */
const trickleBytes = 400;
const longestDelayMs = 30;
const longestStallMs = 400;

export interface ChaosOptions {
  /** Drawn from for each connection; default all of them. */
  readonly kinds?: readonly Disturbance[];
  /** A cut, reset or silence comes after up to so many bytes of both directions. */
  readonly bytesMax?: number;
  /** The other connections are cut after up to so many bytes, so that they are drawn anew; default never. */
  readonly lifeBytesMax?: number;
}

export class ChaosProxy {
  readonly port: number;
  readonly seed: number;
  /** How many connections each disturbance has had. */
  readonly counts: Record<Disturbance, number> = {
    none: 0,
    stall: 0,
    delay: 0,
    trickle: 0,
    silence: 0,
    reset: 0,
    cut: 0,
  };
  readonly #server: Server;
  readonly #target: number;
  readonly #random: SeededRandom;
  readonly #kinds: readonly Disturbance[];
  readonly #bytesMax: number;
  readonly #lifeBytesMax: number;
  readonly #links = new Set<Link>();
  #calm = false;

  private constructor(server: Server, port: number, target: number, seed: number, options: ChaosOptions) {
    this.#server = server;
    this.port = port;
    this.#target = target;
    this.seed = seed;
    this.#random = new SeededRandom(seed);
    this.#kinds = options.kinds ?? disturbances;
    this.#bytesMax = options.bytesMax ?? 20_000;
    this.#lifeBytesMax = options.lifeBytesMax ?? Infinity;
  }

  /** Listens on a free loopback port and forwards to another one. */
  static start(target: number, seed: number, options: ChaosOptions = {}): Promise<ChaosProxy> {
    return new Promise((resolve, reject) => {
      const server = createServer((socket) => proxy.#accept(socket));
      let proxy: ChaosProxy;
      server.on("error", reject);
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        if (address === null || typeof address === "string") return reject(new Error("no port"));
        proxy = new ChaosProxy(server, address.port, target, seed, options);
        resolve(proxy);
      });
    });
  }

  get url(): string {
    return `tcp://127.0.0.1:${this.port}`;
  }

  /** What a test prints when it fails. */
  get story(): string {
    const counts = Object.entries(this.counts).filter(([, count]) => count > 0);
    return `proxy with seed ${this.seed}: ${counts.map(([kind, count]) => `${count} ${kind}`).join(", ")}`;
  }

  /** Ends the connections there are, and disturbs no further ones. */
  calm(): void {
    this.#calm = true;
    for (const link of this.#links) link.end();
  }

  /** Ends all connections and takes no more. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const link of this.#links) link.end();
    await closed;
  }

  #accept(client: Socket): void {
    const kind = this.#calm ? "none" : this.#random.pick(this.#kinds);
    const seed = this.#random.uint32();
    this.counts[kind]++;
    const server = connect({ host: "127.0.0.1", port: this.#target });
    const life = this.#calm ? Infinity : this.#lifeBytesMax;
    const bytesMax = kind === "silence" || kind === "reset" || kind === "cut" ? this.#bytesMax : life;
    const link = new Link(client, server, { kind, bytesMax, seed }, () => this.#links.delete(link));
    this.#links.add(link);
  }
}

interface LinkPlan {
  readonly kind: Disturbance;
  readonly bytesMax: number;
  readonly seed: number;
}

/** One connection: two sockets, and what is done to the bytes between them. */
class Link {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #kind: Disturbance;
  readonly #random: SeededRandom;
  readonly #onEnd: () => void;
  /** Bytes of both directions until it is cut, reset or silent; Infinity for never. */
  #left: number;
  #trickle: number;
  #silent = false;
  #ended = false;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  readonly #waits = new Set<() => void>();

  constructor(client: Socket, server: Socket, { kind, bytesMax, seed }: LinkPlan, onEnd: () => void) {
    this.#client = client;
    this.#server = server;
    this.#kind = kind;
    this.#random = new SeededRandom(seed);
    this.#left = bytesMax === Infinity ? Infinity : 1 + this.#random.below(bytesMax);
    this.#trickle = trickleBytes;
    this.#onEnd = onEnd;
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on("error", () => this.end());
      socket.on("close", () => this.#closed());
    }
    void this.#pump(client, server);
    void this.#pump(server, client);
  }

  /** One direction: a chunk is read only after the one before has been handed on. */
  async #pump(from: Socket, to: Socket): Promise<void> {
    try {
      for await (const chunk of from) {
        if (this.#ended) return;
        await this.#pass(chunk as Uint8Array, to);
        if (this.#left <= 0) await this.#finish();
      }
      to.end();
    } catch {
      this.end();
    }
  }

  async #pass(chunk: Uint8Array, to: Socket): Promise<void> {
    if (this.#silent) return;
    const part = chunk.length > this.#left ? chunk.subarray(0, this.#left) : chunk;
    this.#left -= part.length;
    switch (this.#kind) {
      case "delay":
        await this.#wait(this.#random.below(longestDelayMs));
        return await write(to, part);
      case "stall":
        if (this.#random.below(8) === 0) await this.#wait(this.#random.below(longestStallMs));
        return await write(to, part);
      case "trickle":
        return await this.#passByBytes(part, to);
      default:
        return await write(to, part);
    }
  }

  /** Each byte in a packet of its own; after so many it flows, or nothing would ever arrive. */
  async #passByBytes(chunk: Uint8Array, to: Socket): Promise<void> {
    const slow = Math.min(chunk.length, this.#trickle);
    this.#trickle -= slow;
    for (let i = 0; i < slow; i++) {
      await write(to, chunk.subarray(i, i + 1));
      await this.#wait(0);
    }
    if (slow < chunk.length) await write(to, chunk.subarray(slow));
  }

  async #finish(): Promise<void> {
    if (this.#kind === "reset") return this.#reset();
    if (this.#kind !== "silence") return this.end();
    this.#silent = true;
    await this.#wait(silenceMs);
    this.end();
  }

  #reset(): void {
    for (const socket of [this.#client, this.#server]) {
      if (socket.destroyed) continue;
      // Not on every engine.
      if (typeof socket.resetAndDestroy === "function") socket.resetAndDestroy();
      else socket.destroy();
    }
    this.end();
  }

  #wait(ms: number): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#timers.delete(timer);
        this.#waits.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#timers.add(timer);
      this.#waits.add(done);
    });
  }

  /** A silent link shows neither side that the other has gone. */
  #closed(): void {
    if (!this.#silent || this.#client.destroyed) this.end();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const done of [...this.#waits]) done();
    this.#client.destroy();
    this.#server.destroy();
    this.#onEnd();
  }
}

/** Resolves when the socket takes more. */
function write(to: Socket, bytes: Uint8Array): Promise<void> {
  if (to.destroyed || bytes.length === 0) return Promise.resolve();
  return new Promise((resolve) => {
    // A copy: the chunk belongs to the socket that it came from. An error ends the link elsewhere.
    to.write(Buffer.from(bytes), () => resolve());
  });
}
