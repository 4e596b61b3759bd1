/**
 * A TCP proxy whose connections break after some bytes, for tests.
 * @module
 */
import { connect, createServer, type Socket } from "node:net";

export interface CuttingProxy {
  readonly url: string;
  readonly cuts: number;
  /** Lets connections live from now on. */
  heal(): void;
  stop(): Promise<void>;
}

/**
 * Starts one before `targetPort`.
 *
 * @param nextCut how many bytes, both ways together, the next connection lives for
 */
export async function startCuttingProxy(targetPort: number, nextCut: () => number): Promise<CuttingProxy> {
  const sockets = new Set<Socket>();
  let cuts = 0;
  let healed = false;
  const server = createServer((client) => {
    const target = connect({ host: "127.0.0.1", port: targetPort });
    let left = nextCut();
    for (const [from, to] of [[client, target], [target, client]] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on("error", () => {});
      from.on("close", () => to.destroy());
      from.on("data", (chunk: Uint8Array) => {
        if (healed || chunk.length <= left) {
          left -= chunk.length;
          if (!to.destroyed) to.write(chunk);
          return;
        }
        cuts++;
        // The last bytes still go through, so that packets are cut in the middle.
        if (!to.destroyed) to.write(chunk.subarray(0, left));
        left = 0;
        to.end();
        from.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `tcp://127.0.0.1:${address.port}`,
    get cuts() {
      return cuts;
    },
    heal() {
      healed = true;
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
