/**
 * All connections of a server: who gets in when it is full, and who has taken too long.
 *
 * Invariant: there are never more than `connectionsMax`, and a client that is being answered is not closed for another.
 * @module
 */
import type { Socket } from "node:net";
import { addressGroup } from "../auth/address_group.ts";
import { Connection } from "./connection.ts";
import { statusOnly } from "./exchange.ts";
import type { ServerLimits } from "./limits.ts";

export class ConnectionTable {
  readonly #limits: ServerLimits;
  readonly #now: () => number;
  /** In the order of their beginning. */
  readonly #connections = new Map<string, Connection>();
  readonly #ofGroup = new Map<string, number>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #onEmpty: (() => void) | undefined;

  /** @param now Milliseconds of a clock that never jumps */
  constructor(limits: ServerLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  get size(): number {
    return this.#connections.size;
  }

  /**
   * A new one; undefined, and closed, when there is no room for it.
   *
   * @param speaks False while the handshake of TLS is to come.
   */
  add(socket: Socket, speaks: boolean): Connection | undefined {
    const { remoteAddress } = socket;
    const group = addressGroup(remoteAddress ?? "");
    // Whoever has gone again by now has no address any more.
    if (remoteAddress === undefined || !this.#makeRoom(group)) return void socket.destroy();
    const key = keyOf(socket);
    // The system gives a port anew only when nobody has it.
    const before = this.#connections.get(key);
    if (before !== undefined) this.#remove(before);
    const connection = new Connection(socket, { key, address: remoteAddress, group }, speaks, this.#now());
    this.#connections.set(key, connection);
    this.#ofGroup.set(group, (this.#ofGroup.get(group) ?? 0) + 1);
    socket.on("error", () => {});
    socket.on("close", () => this.#remove(connection));
    this.#timer ??= this.#sweepOften();
    return connection;
  }

  /** Of a socket, or of TLS upon it. */
  find(socket: Socket): Connection | undefined {
    return this.#connections.get(keyOf(socket));
  }

  /** Closes what has no request under way, or everything. */
  close(which: "quiet" | "all"): void {
    for (const connection of [...this.#connections.values()]) {
      if (which === "all" || connection.requests === 0) this.#remove(connection);
    }
  }

  /** Resolves when no connection is left. */
  async empty(): Promise<void> {
    if (this.#connections.size > 0) await new Promise<void>((resolve) => this.#onEmpty = resolve);
  }

  /** True when there is room for one more of the group. */
  #makeRoom(group: string): boolean {
    const { connectionsMax, connectionsOfOneMax } = this.#limits;
    if ((this.#ofGroup.get(group) ?? 0) >= connectionsOfOneMax) return this.#closeSilent(group);
    if (this.#connections.size < connectionsMax) return true;
    const byCount = [...this.#ofGroup].sort(([, a], [, b]) => b - a).map(([each]) => each);
    return byCount.some((each) => this.#closeSilent(each));
  }

  /** Closes the one of the group that has been without a whole request for the longest time. */
  #closeSilent(group: string): boolean {
    let oldest: Connection | undefined;
    for (const each of this.#connections.values()) {
      if (each.group !== group || each.requests > 0) continue;
      if (oldest === undefined || each.sinceMs < oldest.sinceMs) oldest = each;
    }
    if (oldest === undefined) return false;
    this.#remove(oldest);
    return true;
  }

  /** At once: `close` of the socket comes later. */
  #remove(connection: Connection): void {
    connection.end();
    if (this.#connections.get(connection.key) !== connection) return;
    this.#connections.delete(connection.key);
    const left = (this.#ofGroup.get(connection.group) ?? 1) - 1;
    if (left > 0) this.#ofGroup.set(connection.group, left);
    else this.#ofGroup.delete(connection.group);
    if (this.#connections.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#onEmpty?.();
  }

  /** While somebody is connected; nothing wakes an agent that nobody asks. */
  #sweepOften(): ReturnType<typeof setInterval> {
    const { headMsMax, bodyMsMax, idleMsMax } = this.#limits;
    const timer = setInterval(() => this.sweep(), Math.min(1_000, headMsMax / 4, bodyMsMax / 4, idleMsMax / 4));
    timer.unref?.();
    return timer;
  }

  /** Closes whoever has taken too long for what he does. */
  sweep(): void {
    const now = this.#now();
    for (const connection of [...this.#connections.values()]) {
      connection.look(now);
      if (now - connection.sinceMs > this.#msMax(connection)) this.#tooLate(connection);
    }
  }

  #msMax({ phase }: Connection): number {
    switch (phase) {
      case "head":
        return this.#limits.headMsMax;
      case "body":
        return this.#limits.bodyMsMax;
      case "idle":
        return this.#limits.idleMsMax;
      case "answer":
        return Infinity;
    }
  }

  #tooLate(connection: Connection): void {
    const { phase, socket, requests, isTold } = connection;
    // Somebody slow may still read it. Who has a request under way gets no second answer.
    const canTell = phase === "head" && requests === 0 && socket.bytesRead > 0 && connection.speaks && !isTold;
    if (!canTell) return this.#remove(connection);
    connection.isTold = true;
    socket.end(statusOnly(408), () => this.#remove(connection));
  }
}

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress}|${remotePort}`;
}
