import assert from "node:assert/strict";
import { open, readFile } from "node:fs/promises";
import { test } from "node:test";
import { realClock } from "../../src/connector/conformance.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import { Line } from "./line.ts";
import { NoAnswer } from "./protocol/failure.ts";
import { readRequest, writeRegistersRequest } from "./protocol/request.ts";
import { RtuFraming } from "./protocol/rtu_framing.ts";
import { frameGapMs, serialPort, type SerialSettings, sttyArguments } from "./serial_port.ts";
import { startSlave } from "../../tests/peers/modbus_slave.ts";
import { startWire } from "../../tests/peers/serial_wire.ts";

const settings: SerialSettings = { path: "/dev/ttyUSB0", baudRate: 9600, dataBits: 8, parity: "even", stopBits: 1 };

function lineOn(path: string, timeoutMs = 10_000): Line {
  return new Line({
    open: serialPort({ ...settings, path, baudRate: 115_200, parity: "none" }, realClock),
    framing: new RtuFraming(),
    timeoutMs,
    pauseMs: 2,
    broadcastPauseMs: 20,
    delayAfterConnectMs: 0,
    close: "stay",
    quietMs: 50,
    restMaxMs: 10_000,
    silencesMax: 3,
  }, { clock: realClock, status: () => {} });
}

test("sttyArguments() says what the line is like", () => {
  assert.deepEqual(sttyArguments(settings).slice(0, 2), ["-F", "/dev/ttyUSB0"]);
  assert.deepEqual(sttyArguments(settings).slice(-5), ["9600", "cs8", "-cstopb", "parenb", "-parodd"]);
  assert.deepEqual(sttyArguments({ ...settings, dataBits: 7, parity: "odd", stopBits: 2 }).slice(-4), [
    "cs7",
    "cstopb",
    "parenb",
    "parodd",
  ]);
});

test("frameGapMs() is three and a half characters, and constant on fast lines", () => {
  assert.equal(frameGapMs(settings), 3.5 * 11 / 9600 * 1000);
  assert.equal(frameGapMs({ ...settings, baudRate: 115_200 }), 1.75);
});

test("a serial line reads and writes a real slave", async () => {
  const wire = await startWire();
  const slave = await startSlave({ serial: wire.theirs, framing: "rtu", units: [1, 2] });
  const line = lineOn(wire.ours);
  try {
    assert.deepEqual(await line.send(1, readRequest("holding", 5, 3)), [10_005, 10_006, 10_007]);
    await line.send(2, writeRegistersRequest(10, [1, 0x0d0a, 0x1113]));
    assert.deepEqual(await line.send(2, readRequest("holding", 10, 3)), [1, 0x0d0a, 0x1113], "no byte is special");
    assert.equal((await line.send(1, readRequest("input", 0, 125))).length, 125);
    await assert.rejects(line.send(1, readRequest("holding", 300, 1)), /exception 2/);
    await line.send(0, writeRegistersRequest(20, [4711]));
    for (const unit of [1, 2]) assert.deepEqual(await line.send(unit, readRequest("holding", 20, 1)), [4711]);
  } finally {
    await line.close();
    await slave.kill();
    await wire.stop();
  }
});

test(
  "a serial line without anybody gives no answer, and one that is gone is lost",
  async () => {
    const wire = await startWire();
    const line = lineOn(wire.ours, 200);
    try {
      await assert.rejects(line.send(1, readRequest("holding", 0, 1)), NoAnswer);
      await wire.stop();
      const failed = await line.send(2, readRequest("holding", 0, 1)).catch((error) => error);
      assert.ok(failed instanceof Disconnected, String(failed));
      await realClock.sleep(0);
      await assert.rejects(line.send(3, readRequest("holding", 0, 1)), Disconnected);
    } finally {
      await line.close();
    }
  },
);

test("a serial line that does not exist cannot be opened", async () => {
  const line = lineOn("/dev/no-such-line");
  try {
    await assert.rejects(line.send(1, readRequest("holding", 0, 1)), {
      name: "Disconnected",
      message: /^Cannot set up \/dev\/no-such-line: .*stty: .*No such file or directory/,
    });
  } finally {
    await line.close();
  }
});

test("serial lines that nobody speaks on hold up no other files", async () => {
  const wires = await Promise.all(Array.from({ length: 6 }, () => startWire()));
  const lines = wires.map(({ ours }) => lineOn(ours, 600));
  try {
    // Each waits for an answer that never comes.
    const silent = lines.map((line) => assert.rejects(line.send(1, readRequest("holding", 0, 1)), NoAnswer));
    await realClock.sleep(100);
    const begin = performance.now();
    for (let i = 0; i < 20; i++) await readFile(new URL(import.meta.url));
    const ms = performance.now() - begin;
    // A read that waits a tenth of a second for its thread, as the lines would make it, takes 2 s for all.
    assert.ok(ms < 1000, `${ms} ms`);
    await Promise.all(silent);
  } finally {
    await Promise.all(lines.map((line) => line.close()));
    await Promise.all(wires.map((wire) => wire.stop()));
  }
});

test("what came on a serial line before a request is not its answer", async () => {
  const wire = await startWire();
  const line = lineOn(wire.ours, 300);
  const peer = await open(wire.theirs, "r+");
  const frameOf = (value: number) =>
    new RtuFraming().begin(1, { ...readRequest("holding", 0, 1), pdu: Uint8Array.of(3, 2, 0, value) });
  try {
    // The first request opens the line; its answer comes late, when nobody waits for it any more.
    await assert.rejects(line.send(1, readRequest("holding", 0, 1)), NoAnswer);
    await peer.write(frameOf(7));
    await realClock.sleep(350);
    const answering = (async () => {
      const buffer = new Uint8Array(64);
      // Both requests, of eight bytes each.
      for (let come = 0; come < 16;) come += (await peer.read(buffer, 0, 64, null)).bytesRead;
      await peer.write(frameOf(8));
    })();
    assert.deepEqual(await line.send(1, readRequest("holding", 0, 1)), [8]);
    await answering;
  } finally {
    await line.close();
    await peer.close();
    await wire.stop();
  }
});
