/**
 * A device that does what a test tells it to, wrong things above all: no real slave answers late, for another unit or
 * with noise when asked to. What is right is tested with `tests/peers/modbus_slave.ts`.
 * @module
 */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";

/** Gets what one read has brought, and the socket to answer on. */
export type Script = (bytes: Uint8Array, socket: Socket) => void;

export interface ScriptedDevice {
  readonly port: number;
  /** Connections so far. */
  readonly connections: number;
  /** Connections that are open now. */
  readonly open: number;
  script: Script;
  cut(): void;
  close(): Promise<void>;
}

export async function startDevice(script: Script): Promise<ScriptedDevice> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("data", (bytes: Uint8Array) => device.script(bytes, socket));
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const device: ScriptedDevice = {
    port: (server.address() as { port: number }).port,
    get connections() {
      return connections;
    },
    get open() {
      return sockets.size;
    },
    script,
    cut,
    close: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return device;
}
