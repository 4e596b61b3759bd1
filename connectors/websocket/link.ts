/**
 * One WebSocket, whoever opened it: sends with back-pressure and confirmation, finds out that the other side is gone.
 *
 * The library is `ws`, which behaves alike on both engines; unlike the platforms' own it can stop reading, and takes the
 * authorities and certificates of the user.
 * @module
 */
import type { WebSocket } from "ws";
import type { Clock } from "../../src/connector/context.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import type { Payload } from "../../src/connector/sink.ts";

export interface LinkOptions {
  readonly pingMs: number;
  readonly clock: Clock;
  readonly onMessage: (message: Uint8Array) => void;
  /** Called once. */
  readonly onClose: (reason: string) => void;
}

/** Bytes that may come while reading goes on only for the answer to a ping. */
const aheadBytesMax = 32 * 1024 * 1024;

/** How long a peer has to answer a close before the socket is destroyed. */
const closeMs = 1000;

interface Confirmation {
  readonly ping: number;
  readonly resolve: () => void;
}

export class Link {
  readonly #socket: WebSocket;
  readonly #options: LinkOptions;
  #pings = 0;
  /** Oldest first. */
  #confirmations: Confirmation[] = [];
  /** Something has come since the last look. */
  #heard = true;
  #asked = false;
  #wantsPause = false;
  #aheadBytes = 0;
  #reason: string | undefined;
  #isClosed = false;
  #cancelWatch: () => void = () => {};
  /** Rejects what waits for the link when it ends. */
  readonly #ended = Promise.withResolvers<never>();
  /** Resolves when it has ended. */
  readonly ended: Promise<void> = this.#ended.promise.catch(() => {});

  constructor(socket: WebSocket, options: LinkOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on("message", (message: Uint8Array) => {
      this.#heard = true;
      if (this.#wantsPause) this.#count(message.length);
      options.onMessage(message);
    });
    socket.on("ping", () => (this.#heard = true));
    socket.on("pong", (data: Uint8Array) => this.#onPong(data));
    socket.on("error", (error: Error) => (this.#reason ??= error.message));
    socket.on("close", (code: number, reason: Uint8Array) => {
      const text = new TextDecoder().decode(reason);
      this.#closed(this.#reason ?? `closed with ${code}${text === "" ? "" : `: ${text}`}`);
    });
    this.#watch();
  }

  get isOpen(): boolean {
    return !this.#isClosed && this.#socket.readyState === this.#socket.OPEN;
  }

  #count(bytes: number): void {
    this.#aheadBytes += bytes;
    if (this.#aheadBytes > aheadBytesMax) this.close(1008, "too much data instead of an answer to a ping");
  }

  #closed(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelWatch();
    this.#ended.reject(new Disconnected(reason));
    this.#options.onClose(reason);
  }

  /** Asks for a sign of life when nothing has come for a while. */
  #watch(): void {
    this.#cancelWatch = this.#options.clock.after(this.#options.pingMs, () => {
      // While nothing is read, nothing can have come.
      const isDeaf = this.#socket.isPaused;
      if (this.#asked && !this.#heard && !isDeaf) {
        this.#reason ??= `no sign of life for ${2 * this.#options.pingMs} ms`;
        this.#socket.terminate();
        return this.#closed(this.#reason);
      }
      this.#asked = !this.#heard || isDeaf;
      if (this.#asked && this.isOpen) this.#ping();
      this.#heard = isDeaf;
      this.#watch();
    });
  }

  #ping(): number {
    const number = ++this.#pings;
    this.#socket.ping(String(number));
    return number;
  }

  #onPong(data: Uint8Array): void {
    this.#heard = true;
    const number = Number(new TextDecoder().decode(data));
    while (this.#confirmations.length > 0 && this.#confirmations[0]!.ping <= number) {
      this.#confirmations.shift()!.resolve();
    }
    this.#applyPause();
  }

  /** Stops and starts reading. While the answer to a ping is awaited it reads on: it comes behind messages. */
  pause(isPaused: boolean): void {
    this.#wantsPause = isPaused;
    this.#aheadBytes = 0;
    this.#applyPause();
  }

  #applyPause(): void {
    const isPaused = this.#wantsPause && this.#confirmations.length === 0;
    if (isPaused === this.#socket.isPaused || !this.isOpen) return;
    if (isPaused) this.#socket.pause();
    else this.#socket.resume();
  }

  /**
   * Resolves when the other side has answered a ping behind the batch, so that all of it has arrived: what the network
   * has taken of a link that is breaking may still be lost.
   *
   * @throws {Disconnected} when the link ends before.
   */
  async send(batch: readonly Payload[]): Promise<void> {
    if (!this.isOpen) throw new Disconnected(this.#reason ?? "closed");
    const { promise, resolve } = Promise.withResolvers<void>();
    // What fails is told by the end of the link.
    for (const payload of batch) this.#socket.send(payload, { binary: typeof payload !== "string" });
    this.#confirmations.push({ ping: this.#ping(), resolve });
    this.#asked = true;
    this.#applyPause();
    await Promise.race([promise, this.#ended.promise]);
  }

  /** Says goodbye, and waits for the answer for a moment only. */
  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#reason ??= reason;
    this.#socket.resume();
    this.#socket.close(code, reason);
    const cancel = this.#options.clock.after(closeMs, () => {
      this.#socket.terminate();
      this.#closed(reason);
    });
    void this.ended.then(cancel);
  }
}
