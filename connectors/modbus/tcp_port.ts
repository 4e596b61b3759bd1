/**
 * A TCP connection to a device or a gateway.
 * @module
 */
import { connect } from "node:net";
import { Disconnected } from "../../src/connector/errors.ts";
import type { Clock } from "../../src/connector/context.ts";
import type { OpenPort, Port } from "./port.ts";

export interface TcpAddress {
  readonly host: string;
  readonly port: number;
  readonly connectTimeoutMs: number;
}

/** Probes of the system find a peer that has gone without a word. */
const keepAliveDelayMs = 15_000;

/** Makes the opener of ports to `address`. */
export function tcpPort({ host, port, connectTimeoutMs }: TcpAddress, clock: Clock): OpenPort {
  return (events, signal) =>
    new Promise<Port>((resolve, reject) => {
      signal.throwIfAborted();
      const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveDelayMs });
      let failure: string | undefined;
      let open = false;
      let gone = false;
      let closing: (() => void) | undefined;
      const refuse = (reason: string) => {
        failure ??= reason;
        socket.destroy();
      };
      const abort = () => refuse("given up");
      const cancelTimeout = clock.after(connectTimeoutMs, () => refuse(`no connection within ${connectTimeoutMs} ms`));
      signal.addEventListener("abort", abort, { once: true });
      const settle = () => {
        cancelTimeout();
        signal.removeEventListener("abort", abort);
      };
      socket.on("connect", () => {
        settle();
        open = true;
        resolve({
          write: (bytes) => void socket.write(bytes),
          close: () =>
            new Promise((resolve) => {
              if (gone) return resolve();
              closing = resolve;
              socket.destroy();
            }),
        });
      });
      socket.on("data", (bytes: Uint8Array) => {
        if (closing === undefined) events.onData(bytes);
      });
      socket.on("end", () => refuse("the device has closed the connection"));
      socket.on("error", (error) => refuse(error.message));
      socket.on("close", () => {
        gone = true;
        settle();
        if (closing !== undefined) return closing();
        const reason = `${host}:${port}: ${failure ?? "the connection is gone"}`;
        if (open) events.onClose(reason);
        else reject(signal.aborted ? signal.reason : new Disconnected(reason));
      });
    });
}
