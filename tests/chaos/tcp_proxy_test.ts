import assert from "node:assert/strict";
import { connect, createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { ChaosProxy, type Disturbance } from "./tcp_proxy.ts";

interface Run {
  /** What came back, of what was sent to a server that gives all back. */
  readonly echoed: number;
  readonly chunks: number;
  readonly closed: boolean;
}

/** A server that gives back what it gets, behind a proxy. */
async function withProxy(kind: Disturbance, work: (proxy: ChaosProxy) => Promise<void>): Promise<void> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as { port: number };
  const proxy = await ChaosProxy.start(port, 7, { kinds: [kind], bytesMax: 1000 });
  try {
    await work(proxy);
  } finally {
    await proxy.stop();
    for (const each of sockets) each.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

/** Sends bytes through a proxy, until all came back, the connection ended or `ms` have passed. */
async function echo(proxy: ChaosProxy, size: number, ms: number): Promise<Run> {
  const socket = connect({ host: "127.0.0.1", port: proxy.port });
  let echoed = 0;
  let chunks = 0;
  let closed = false;
  socket.on("data", (chunk: Uint8Array) => {
    for (const byte of chunk) assert.equal(byte, echoed++ % 251);
    chunks++;
  });
  socket.on("error", () => {});
  socket.on("close", () => closed = true);
  socket.write(Uint8Array.from({ length: size }, (_, i) => i % 251));
  await eventually(() => echoed === size || closed, ms).catch(() => {});
  socket.destroy();
  return { echoed, chunks, closed };
}

for (const kind of ["none", "stall", "delay", "trickle"] as const) {
  test(`a proxy with "${kind}" hands on every byte in order`, () =>
    withProxy(kind, async (proxy) => {
      const { echoed, closed, chunks } = await echo(proxy, 5000, 20_000);
      assert.deepEqual({ echoed, closed }, { echoed: 5000, closed: false });
      if (kind === "trickle") assert.ok(chunks > 20, `${chunks} chunks`);
      assert.equal(proxy.counts[kind], 1, proxy.story);
    }));
}

for (const kind of ["cut", "reset"] as const) {
  test(`a proxy with "${kind}" ends the connection in the middle`, () =>
    withProxy(kind, async (proxy) => {
      const { echoed, closed } = await echo(proxy, 5000, 20_000);
      assert.ok(closed);
      assert.ok(echoed < 5000, `${echoed} bytes`);
    }));
}

test('a proxy with "silence" stops in the middle, leaves the connection open, and lets go when it is calm', () =>
  withProxy("silence", async (proxy) => {
    const { echoed, closed } = await echo(proxy, 5000, 500);
    assert.ok(!closed);
    assert.ok(echoed < 5000, `${echoed} bytes`);
    setTimeout(() => proxy.calm(), 100);
    assert.ok((await echo(proxy, 5000, 20_000)).closed, "the silent connection ends");
    assert.equal((await echo(proxy, 5000, 20_000)).echoed, 5000);
    assert.deepEqual([proxy.counts.silence, proxy.counts.none], [2, 1]);
  }));
