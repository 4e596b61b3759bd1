/**
 * Tells the log how a connection is: once when it is lost, again when the reason changes, and when it is back. A client
 * that tries every ten seconds must not fill the log of a device whose broker is away for a week.
 * @module
 */
import type { ConnectionState, Logger } from "../connector/context.ts";

export class ConnectionLog {
  readonly #log: Logger;
  /** What was told; undefined while the connection is not known to be lost. */
  #lost: string | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  report(state: ConnectionState, message?: string): void {
    const fields = message === undefined ? {} : { reason: message };
    if (state === "connected") {
      if (this.#lost === undefined) this.#log.debug("Connected", fields);
      else this.#log.info("Connected again", fields);
      this.#lost = undefined;
    } else if (state === "disconnected" && this.#lost !== (message ?? "")) {
      this.#lost = message ?? "";
      this.#log.warn("Not connected, trying again and again", fields);
    } else this.#log.debug(`Connection ${state}`, fields);
  }
}
