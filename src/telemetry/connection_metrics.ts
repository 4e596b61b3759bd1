/**
 * How the connection of a source or sink is, for the status and the metrics.
 * @module
 */
import type { Clock, ConnectionState } from "../connector/context.ts";

export class ConnectionMetrics {
  readonly #clock: Clock;
  state: ConnectionState = "connecting";
  /** Unix milliseconds, 0 if never; as the three below. */
  lastConnected = 0;
  lastDisconnected = 0;
  lastTry = 0;
  lastDisconnectedMessage = "";

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes a change. True when the connection was lost or refused just now. */
  report(state: ConnectionState, message?: string): boolean {
    const now = this.#clock.now();
    const lost = state === "disconnected" && this.state !== "disconnected";
    this.state = state;
    if (state === "connected") {
      this.lastConnected = now;
    } else if (state === "connecting") {
      this.lastTry = now;
    } else {
      this.lastDisconnected = now;
      this.lastDisconnectedMessage = message ?? "";
    }
    return lost;
  }

  /** 1 connected, 0 connecting, -1 disconnected. */
  get code(): 1 | 0 | -1 {
    return this.state === "connected" ? 1 : this.state === "connecting" ? 0 : -1;
  }
}
