/**
 * The client of the protocol: lines over one TCP connection. Here a library would stand.
 * @module
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Disconnected } from "../../src/connector/errors.ts";

/** Lines that may wait before the peer is held back. */
const linesMax = 1000;
/** A peer that never ends its line must not fill the memory. */
const lineLengthMax = 1024 * 1024;
const connectMs = 10_000;

const utf8 = new TextDecoder();

export class LineSocket {
  readonly #socket: Socket;
  readonly #lines: string[] = [];
  #rest = "";
  #lost: Disconnected | undefined;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => this.#take(chunk as Uint8Array));
    socket.on("error", (error) => this.#lose(error.message));
    socket.on("close", () => this.#lose("the peer has closed the connection"));
  }

  /** @throws {Disconnected} when the peer does not answer */
  static async open({ host, port }: { readonly host: string; readonly port: number }): Promise<LineSocket> {
    const socket = connect({ host, port, noDelay: true, keepAlive: true });
    try {
      await once(socket, "connect", { signal: AbortSignal.timeout(connectMs) });
    } catch (cause) {
      socket.on("error", () => {}).destroy();
      throw new Disconnected(`Cannot connect to ${host}:${port}: ${(cause as Error).message}`, { cause });
    }
    return new LineSocket(socket);
  }

  #take(chunk: Uint8Array): void {
    const parts = (this.#rest + utf8.decode(chunk, { stream: true })).split("\n");
    this.#rest = parts.pop()!;
    if (this.#rest.length > lineLengthMax) return void this.#socket.destroy(new Error("a line is too long"));
    this.#lines.push(...parts.map((line) => line.replace(/\r$/, "")));
    // Whoever reads says when there is room again; until then the peer waits, not our memory.
    if (this.#lines.length >= linesMax) this.#socket.pause();
    this.#wake?.();
  }

  #lose(reason: string): void {
    this.#lost ??= new Disconnected(reason);
    this.#wake?.();
  }

  /**
   * The lines that have come, at least one.
   *
   * @throws {Disconnected} when there is none and none will come; the reason of `signal` when that aborts first
   */
  async read(signal: AbortSignal): Promise<string[]> {
    while (this.#lines.length === 0) {
      signal.throwIfAborted();
      if (this.#lost !== undefined) throw this.#lost;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      this.#wake = undefined;
    }
    this.#socket.resume();
    return this.#lines.splice(0);
  }

  /** @throws {Disconnected} */
  send(lines: readonly string[]): void {
    if (this.#lost !== undefined) throw this.#lost;
    this.#socket.write(lines.map((line) => `${line}\n`).join(""));
  }

  close(): Promise<void> {
    this.#socket.destroy();
    return Promise.resolve();
  }
}
