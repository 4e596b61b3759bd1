/**
 * A way to a server on which what the server says is damaged.
 * @module
 */
import { type AddressInfo, connect, createServer } from "node:net";
import { SeededRandom } from "../../src/value/seeded_random.ts";

export interface DamagingProxy {
  readonly port: number;
  close(): Promise<void>;
}

/** Where the damage begins, in bytes from the server, so that it hits every step from the greeting to the rows. */
const starts = [0, 30, 100, 300, 380, 450, 600, 2000];

/**
 * All bytes are others, or three of each piece, or the end of each piece is missing.
 *
 * @param seed the kind of the damage, its begin, and each byte of it
 */
export async function startDamagingProxy(to: number, seed: number): Promise<DamagingProxy> {
  const random = new SeededRandom(seed);
  const start = starts[seed % starts.length]!;
  const damaged = (data: Uint8Array): Uint8Array => {
    const bytes = new Uint8Array(data);
    if (seed % 3 === 0) return bytes.map(() => random.below(256));
    if (seed % 3 === 1) return bytes.subarray(0, random.below(bytes.length));
    for (let i = 0; i < 3; i++) bytes[random.below(bytes.length)] = random.below(256);
    return bytes;
  };
  const server = createServer((client) => {
    const peer = connect(to, "127.0.0.1");
    let seen = 0;
    for (const [one, other] of [[client, peer], [peer, client]] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
    client.on("data", (data) => void peer.write(data));
    peer.on("data", (data: Uint8Array) => {
      seen += data.length;
      client.write(seen > start ? damaged(data) : data);
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", () => done()));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((done) => server.close(() => done())),
  };
}
