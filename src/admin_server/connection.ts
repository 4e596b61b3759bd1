/**
 * One connection of a client: what it does, since when, and what is to happen when it ends.
 * @module
 */
import type { Socket } from "node:net";
import type { ClientCertificate } from "../auth/client_certificate.ts";

/**
 * `head`: the handshake of TLS or the head of a request is awaited. `body`: the rest of a request. `answer`: the client
 * has sent all, and it is our turn. `idle`: nothing is under way.
 */
export type Phase = "head" | "body" | "answer" | "idle";

export class Connection {
  /** Address and port of the other end. */
  readonly key: string;
  readonly address: string;
  /** Who shares its limits. */
  readonly group: string;
  certificate: ClientCertificate | undefined;
  /** Requests that came, of which all but the first wait. */
  requests = 0;
  /** Requests are answered one after the other. */
  turn: Promise<void> = Promise.resolve();
  /** Called once, when the connection has ended. */
  onEnd: (() => void) | undefined;
  /** What came too late is told once. */
  isTold = false;
  #socket: Socket;
  #phase: Phase = "head";
  #sinceMs: number;
  #bytesAtIdle = 0;
  #ended = false;
  #speaks: boolean;

  /** @param speaks False while the handshake of TLS is to come. */
  constructor(socket: Socket, who: { key: string; address: string; group: string }, speaks: boolean, nowMs: number) {
    this.#socket = socket;
    this.key = who.key;
    this.address = who.address;
    this.group = who.group;
    this.#speaks = speaks;
    this.#sinceMs = nowMs;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** When the phase began. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  get socket(): Socket {
    return this.#socket;
  }

  /** True when texts of HTTP may be written. */
  get speaks(): boolean {
    return this.#speaks && this.#socket.writable;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The handshake is over: this is what requests come from. */
  secured(socket: Socket, certificate: ClientCertificate | undefined, nowMs: number): void {
    this.#socket = socket;
    this.certificate = certificate;
    this.#speaks = true;
    this.enter("head", nowMs);
  }

  enter(phase: Phase, nowMs: number): void {
    this.#phase = phase;
    this.#sinceMs = nowMs;
    if (phase === "idle") this.#bytesAtIdle = this.#socket.bytesRead;
  }

  /** A connection that was idle has sent something: the head of a request begins. */
  look(nowMs: number): void {
    if (this.#phase === "idle" && this.#socket.bytesRead !== this.#bytesAtIdle) this.enter("head", nowMs);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.destroy();
    this.onEnd?.();
  }
}
