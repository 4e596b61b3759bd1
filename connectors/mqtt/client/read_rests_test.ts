import assert from "node:assert/strict";
import { createServer, Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { eventually } from "../../../tests/eventually.ts";
import { ReadRests, restingSocketOptions } from "./read_rests.ts";

function scene(readableLength = 0) {
  const calls: string[] = [];
  const reads = new ReadRests({
    readableLength,
    pause: () => calls.push("pause"),
    resume: () => calls.push("resume"),
  });
  const after = (count: number, patient = true) => {
    for (let i = 0; i < count; i++) reads.after(patient);
  };
  return { calls, reads, after };
}

test("ReadRests leaves a socket alone that is read now and then", () => {
  const { calls, after } = scene();
  after(60);
  assert.deepEqual(calls, []);
});

test("ReadRests rests after each piece of a busy socket, and reads again by itself", async () => {
  const { calls, reads, after } = scene();
  after(66);
  assert.deepEqual(calls, ["pause"], "one rest at a time");
  await eventually(() => calls.join() === "pause,resume");
  reads.stop();
});

test("ReadRests hands on what has been read already before it rests", () => {
  const { calls, reads, after } = scene(100);
  after(80);
  assert.deepEqual(calls, []);
  reads.stop();
});

test("ReadRests does not rest while an answer is awaited", () => {
  const { calls, after } = scene();
  for (let i = 0; i < 50; i++) {
    after(10);
    after(1, false);
  }
  assert.deepEqual(calls, []);
});

test("ReadRests keeps a socket paused that its owner has paused", async () => {
  const { calls, reads, after } = scene();
  after(66);
  reads.pause();
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.deepEqual(calls, ["pause", "pause"]);
  reads.resume();
  assert.equal(calls.at(-1), "resume");
  reads.stop();
});

test("a real socket that rests brings fewer, larger pieces, all of them and without delay", async () => {
  const seconds = 1;
  const server = createServer((peer) => {
    peer.on("error", () => {});
    let sent = 0;
    // One message at a time, as a broker writes them.
    const begin = performance.now();
    const timer = setInterval(() => {
      const due = Math.min(seconds * 5_000, Math.floor((performance.now() - begin) * 5));
      for (; sent < due; sent++) peer.write(new Uint8Array(64).fill(sent & 0xff));
      if (sent === seconds * 5_000) {
        clearInterval(timer);
        peer.end();
      }
    }, 1);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const socket = new Socket(restingSocketOptions);
    socket.connect((server.address() as AddressInfo).port, "127.0.0.1");
    const reads = new ReadRests(socket);
    let bytes = 0;
    let aheadMost = 0;
    socket.on("data", (chunk: Uint8Array) => {
      for (let i = 0; i < chunk.length; i++) assert.equal(chunk[i], Math.floor((bytes + i) / 64) & 0xff);
      bytes += chunk.length;
      reads.after(true);
      aheadMost = Math.max(aheadMost, socket.readableLength);
    });
    await new Promise((resolve) => socket.on("end", resolve));
    reads.stop();
    socket.destroy();
    assert.equal(bytes, seconds * 5_000 * 64);
    // At most what one rest and one read bring: no queue builds up in the socket.
    assert.ok(aheadMost < 65_536, `${aheadMost} bytes read ahead`);
  } finally {
    server.close();
  }
});
