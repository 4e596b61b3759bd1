import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { eventually } from "../../../tests/eventually.ts";
import { ReadRests } from "./read_rests.ts";

function scene() {
  const calls: string[] = [];
  const reads = new ReadRests({ pause: () => calls.push("pause"), resume: () => calls.push("resume") });
  const after = (count: number, patient = true) => {
    for (let i = 0; i < count; i++) reads.after(patient);
  };
  return { calls, reads, after };
}

test("ReadRests leaves a socket alone that is read now and then", () => {
  const { calls, after } = scene();
  after(32);
  assert.deepEqual(calls, []);
});

test("ReadRests rests after each piece of a busy socket, and reads again by itself", async () => {
  const { calls, reads, after } = scene();
  after(33);
  assert.deepEqual(calls, ["pause"]);
  after(3);
  assert.deepEqual(calls, ["pause"], "one rest at a time");
  await eventually(() => calls.join() === "pause,resume");
  after(1);
  assert.deepEqual(calls, ["pause", "resume", "pause"]);
  reads.stop();
});

test("ReadRests leaves a socket alone again when its pieces come slowly", async () => {
  const { calls, reads, after } = scene();
  after(33);
  const rested = () => calls.filter((call) => call === "resume").length;
  let pauses = 0;
  const deadline = performance.now() + 30_000;
  do {
    assert.ok(performance.now() < deadline, "it goes on resting");
    await eventually(() => rested() === calls.length - rested());
    await new Promise((resolve) => setTimeout(resolve, 5));
    pauses = calls.length;
    after(1);
  } while (calls.length > pauses);
  reads.stop();
});

test("ReadRests does not rest while an answer is awaited", () => {
  const { calls, after } = scene();
  for (let i = 0; i < 50; i++) {
    after(30);
    after(1, false);
  }
  assert.deepEqual(calls, []);
});

test("ReadRests keeps a socket paused that its owner has paused", async () => {
  const { calls, reads, after } = scene();
  after(33);
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
    const { port } = server.address() as AddressInfo;
    let bytes = 0;
    let pieces = 0;
    let read = (_chunk: Uint8Array): void => {};
    const callback = (length: number, buffer: Uint8Array): boolean => {
      read(buffer.subarray(0, length));
      return true;
    };
    const socket = connect({ port, host: "127.0.0.1", onread: { buffer: new Uint8Array(65_536), callback } });
    const reads = new ReadRests(socket);
    read = (chunk) => {
      for (let i = 0; i < chunk.length; i++) assert.equal(chunk[i], Math.floor((bytes + i) / 64) & 0xff);
      bytes += chunk.length;
      pieces++;
      reads.after(true);
    };
    await new Promise((resolve) => socket.on("end", resolve));
    reads.stop();
    socket.destroy();
    assert.equal(bytes, seconds * 5_000 * 64);
    assert.ok(pieces < 500, `${pieces} pieces`);
  } finally {
    server.close();
  }
});
