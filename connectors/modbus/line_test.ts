import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { realClock } from "../../src/connector/conformance.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import { eventually } from "../../tests/eventually.ts";
import { Line, type LineOptions } from "./line.ts";
import { BadAnswer, ModbusException, NoAnswer } from "./protocol/failure.ts";
import {
  maskRegisterRequest,
  readRequest,
  writeCoilRequest,
  writeCoilsRequest,
  writeRegisterRequest,
  writeRegistersRequest,
} from "./protocol/request.ts";
import { RtuFraming } from "./protocol/rtu_framing.ts";
import { TcpFraming } from "./protocol/tcp_framing.ts";
import { type Script, type ScriptedDevice, startDevice } from "./scripted_device.ts";
import { freePort, startSlave } from "../../tests/peers/modbus_slave.ts";
import { tcpPort } from "./tcp_port.ts";

interface TestLine extends AsyncDisposable {
  readonly line: Line;
  readonly states: string[];
}

function lineTo(port: number, more: Partial<LineOptions> = {}): TestLine {
  const states: string[] = [];
  const line = new Line({
    open: tcpPort({ host: "127.0.0.1", port, connectTimeoutMs: 10_000 }, realClock),
    framing: new TcpFraming(),
    timeoutMs: 10_000,
    pauseMs: 0,
    broadcastPauseMs: 20,
    delayAfterConnectMs: 0,
    close: "stay",
    quietMs: 50,
    restMaxMs: 10_000,
    silencesMax: 3,
    ...more,
  }, { clock: realClock, status: (state, message) => void states.push(`${state} ${message ?? ""}`.trim()) });
  return { line, states, [Symbol.asyncDispose]: () => line.close() };
}

for (const framing of ["tcp", "rtu"] as const) {
  const made = () => framing === "tcp" ? new TcpFraming() : new RtuFraming();

  test(`a line reads and writes everything of a real slave, ${framing}`, async () => {
    const slave = await startSlave({ framing, units: [1, 2] });
    try {
      await using to = lineTo(slave.port, { framing: made() });
      const { line, states } = to;
      assert.deepEqual(await line.send(1, readRequest("holding", 5, 3)), [10_005, 10_006, 10_007]);
      assert.deepEqual(await line.send(2, readRequest("input", 7, 2)), [21_007, 21_008]);
      assert.deepEqual(await line.send(1, readRequest("coil", 0, 11)), [1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0]);
      assert.deepEqual(await line.send(1, readRequest("discrete", 3, 1)), [1]);
      assert.equal((await line.send(2, readRequest("holding", 0, 125))).length, 125);
      await line.send(1, writeCoilRequest(1, true));
      await line.send(1, writeCoilsRequest(2, [1, 0, 1, 1, 1, 0, 0, 1, 1, 0]));
      assert.deepEqual(await line.send(1, readRequest("coil", 0, 12)), [1, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 0]);
      await line.send(1, writeRegisterRequest(9, 0xbeef));
      await line.send(1, writeRegistersRequest(10, [1, 0xffff, 3]));
      assert.deepEqual(await line.send(1, readRequest("holding", 9, 4)), [0xbeef, 1, 0xffff, 3]);
      await line.send(1, maskRegisterRequest(9, 0x00ff, 0x1234));
      assert.deepEqual(await line.send(1, readRequest("holding", 9, 1)), [0xbe34]);
      await assert.rejects(line.send(1, readRequest("holding", 199, 2)), (error) => {
        assert.ok(error instanceof ModbusException);
        assert.equal(error.message, "the device does not have such an address (exception 2)");
        return true;
      });
      assert.deepEqual(await line.send(1, readRequest("holding", 0, 1)), [10_000], "an exception is no silence");
      assert.deepEqual(states, ["connecting", "connected"]);
    } finally {
      await slave.kill();
    }
  });

  test(`a unit that is missing delays the others once, ${framing}`, async () => {
    const slave = await startSlave({ framing, units: [1] });
    try {
      await using to = lineTo(slave.port, { framing: made(), timeoutMs: 1000 });
      await to.line.send(1, readRequest("holding", 0, 1));
      const dead = Array.from({ length: 20 }, (_, i) => to.line.send(3, readRequest("holding", i, 1)));
      const begin = performance.now();
      const live = to.line.send(1, readRequest("holding", 4, 1));
      const ends = await Promise.allSettled(dead);
      assert.deepEqual(await live, [10_004]);
      assert.ok(performance.now() - begin < 10_000, "twenty time-outs would take 20 s");
      const reasons = ends.map((end) =>
        end.status === "rejected" && end.reason instanceof NoAnswer && end.reason.message
      );
      assert.equal(reasons[0], "unit 3 does not answer within 1000 ms");
      assert.match(String(reasons[1]), /^unit 3 has not answered and is asked again in \d+ ms$/);
      assert.equal(reasons.filter((reason) => String(reason).includes("asked again")).length, 19);
    } finally {
      await slave.kill();
    }
  });
}

test("a write to unit 0 of an RTU line goes to all units, and is not answered", async () => {
  const slave = await startSlave({ framing: "rtu", units: [1, 2] });
  try {
    await using to = lineTo(slave.port, { framing: new RtuFraming(), broadcastPauseMs: 50 });
    const begin = performance.now();
    await to.line.send(0, writeRegistersRequest(3, [7, 8]));
    assert.ok(performance.now() - begin >= 45, "the devices get their time");
    for (const unit of [1, 2]) assert.deepEqual(await to.line.send(unit, readRequest("holding", 3, 2)), [7, 8]);
    await assert.rejects(to.line.send(0, readRequest("holding", 3, 2)), {
      name: "BroadcastRead",
      message: "unit 0 is all devices of the line, and none of them answers: it can only be written to",
    });
  } finally {
    await slave.kill();
  }
});

test("unit 0 of Modbus TCP is a unit like any other", async () => {
  const slave = await startSlave({ units: [0] });
  try {
    await using to = lineTo(slave.port);
    assert.deepEqual(await to.line.send(0, readRequest("holding", 3, 1)), [3]);
  } finally {
    await slave.kill();
  }
});

test("a line connects again when the slave comes back", async () => {
  const slave = await startSlave();
  try {
    await using to = lineTo(slave.port);
    await to.line.send(1, readRequest("holding", 0, 1));
    await slave.kill();
    await assert.rejects(to.line.send(1, readRequest("holding", 0, 1)), Disconnected);
    await assert.rejects(to.line.send(1, readRequest("holding", 0, 1)), /ECONNREFUSED|refused|Failed to connect/i);
    await slave.start();
    let value: number[] | undefined;
    const deadline = Date.now() + 20_000;
    while (value === undefined && Date.now() < deadline) {
      value = await to.line.send(1, readRequest("holding", 2, 1)).catch(() => undefined);
      await realClock.sleep(20);
    }
    assert.deepEqual(value, [10_002]);
  } finally {
    await slave.kill();
  }
});

test("a line makes a connection again that has gone silent", async () => {
  const slave = await startSlave({ units: [1, 2, 3] });
  try {
    await using to = lineTo(slave.port, { timeoutMs: 300 });
    await to.line.send(1, readRequest("holding", 0, 1));
    slave.freeze();
    for (const unit of [1, 2, 3]) await assert.rejects(to.line.send(unit, readRequest("holding", 0, 1)), NoAnswer);
    assert.equal(to.states.at(-1), "disconnected no answer to 3 requests in a row");
  } finally {
    slave.thaw();
    await slave.kill();
  }
});

/** Answers with one register: the address that was asked for. */
function answerTo(request: Uint8Array): Uint8Array {
  return Uint8Array.of(request[0]!, request[1]!, 0, 0, 0, 5, request[6]!, request[7]!, 2, request[8]!, request[9]!);
}

const honest: Script = (bytes, socket) => {
  for (let at = 0; at < bytes.length; at += 12) socket.write(answerTo(bytes.subarray(at, at + 12)));
};

async function withDevice(script: Script, work: (device: ScriptedDevice) => Promise<void>): Promise<void> {
  const device = await startDevice(script);
  try {
    await work(device);
  } finally {
    await device.close();
  }
}

/** Open files and sockets of this process. */
const descriptors = () => readdirSync("/proc/self/fd").length;
const noDescriptors = existsSync("/proc/self/fd") ? false : "only Linux tells the open files of a process";

const read = (address: number) => readRequest("holding", address, 1);

test("an answer that comes late is not taken for that of the next request", () =>
  withDevice(honest, async (device) => {
    await using to = lineTo(device.port, { timeoutMs: 1000 });
    let late: Uint8Array | undefined;
    device.script = (bytes) => void (late = answerTo(bytes));
    await assert.rejects(to.line.send(1, read(7)), NoAnswer);
    // The late answer comes in two pieces, right before the one of the next request.
    device.script = (bytes, socket) => {
      socket.write(late!.subarray(0, 8));
      setTimeout(() => {
        socket.write(late!.subarray(8));
        honest(bytes, socket);
      }, 20);
    };
    assert.deepEqual(await to.line.send(2, read(8)), [8]);
    device.script = honest;
    assert.deepEqual(await to.line.send(2, read(9)), [9]);
    assert.equal(device.connections, 1);
  }));

const faults: readonly [name: string, answer: (request: Uint8Array) => Uint8Array, reason: RegExp, again: boolean][] = [
  ["another unit", (bytes) => answerTo(bytes.with(6, 9)), /^unit 9 answers instead of unit 1$/, false],
  ["another function", (bytes) => answerTo(bytes.with(7, 4)), /^the answer is to function 4, not 3$/, false],
  [
    "a PDU that is too short",
    (bytes) => Uint8Array.of(bytes[0]!, bytes[1]!, 0, 0, 0, 3, 1, 3, 2),
    /has 2 bytes, not 4$/,
    false,
  ],
  ["a wrong number of bytes", (bytes) => answerTo(bytes).with(8, 4), /says it has 4 bytes of data, not 2$/, false],
  ["a lying length", (bytes) => answerTo(bytes).with(4, 9), /^a frame says that it has 2309 bytes$/, true],
  [
    "another protocol",
    () => new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"),
    /found protocol 21584$/,
    true,
  ],
  [
    "an unknown exception",
    (bytes) => Uint8Array.of(bytes[0]!, bytes[1]!, 0, 0, 0, 3, 1, 0x83, 99),
    /refuses \(exception 99\)$/,
    false,
  ],
];

for (const [name, answer, message, again] of faults) {
  test(`a line survives an answer with ${name}`, () =>
    withDevice((bytes, socket) => void socket.write(answer(bytes)), async (device) => {
      await using to = lineTo(device.port);
      await assert.rejects(to.line.send(1, read(7)), { message });
      device.script = honest;
      assert.deepEqual(await to.line.send(1, read(8)), [8]);
      assert.equal(device.connections, again ? 2 : 1);
    }));
}

test("an answer with a wrong transaction number is no answer", () =>
  withDevice((bytes, socket) => void socket.write(answerTo(bytes.with(1, bytes[1]! ^ 1))), async (device) => {
    await using to = lineTo(device.port, { timeoutMs: 200 });
    await assert.rejects(to.line.send(1, read(7)), NoAnswer);
  }));

test("a line sends one request at a time, writes before reads, but not only writes", () =>
  withDevice(honest, async (device) => {
    const seen: string[] = [];
    let underway = 0;
    device.script = (bytes, socket) => {
      assert.equal(bytes.length, 12, "one request");
      assert.equal(++underway, 1);
      seen.push(bytes[7] === 6 ? "write" : "read");
      setTimeout(() => {
        underway--;
        // The answer to a write is its echo.
        socket.write(bytes[7] === 6 ? bytes : answerTo(bytes));
      }, 1);
    };
    await using to = lineTo(device.port);
    const reads = Array.from({ length: 4 }, (_, i) => to.line.send(1, read(i)));
    const writes = Array.from({ length: 20 }, (_, i) => to.line.send(1, writeRegisterRequest(i, i), { urgent: true }));
    assert.deepEqual(await Promise.all(reads), [[0], [1], [2], [3]]);
    await Promise.all(writes);
    const shown = seen.map((kind) => kind[0]).join("");
    assert.match(shown, /^r?w{8}r/);
    assert.equal(seen.length, 24);
  }));

test("a line waits after connecting and between requests", () =>
  withDevice(honest, async (device) => {
    const times: number[] = [];
    device.script = (bytes, socket) => {
      times.push(performance.now());
      honest(bytes, socket);
    };
    await using to = lineTo(device.port, { delayAfterConnectMs: 100, pauseMs: 50 });
    const begin = performance.now();
    const first = to.line.send(1, read(1));
    const second = to.line.send(1, read(2));
    await first;
    const answered = performance.now();
    await second;
    assert.ok(times[0]! - begin >= 95, "100 ms after connecting");
    assert.ok(times[1]! - times[0]! >= 45, "50 ms between requests");
    assert.ok(answered < times[1]!, "nobody waits for the pause after his own answer");
  }));

test("a line that closes after requests connects for each round", () =>
  withDevice(honest, async (device) => {
    await using to = lineTo(device.port, { close: "after requests" });
    for (let round = 1; round <= 3; round++) {
      await Promise.all([to.line.send(1, read(1)), to.line.send(1, read(2))]);
      assert.equal(device.connections, round);
      await eventually(() => device.open === 0);
    }
  }));

test("a thousand connections leave nothing open", () =>
  withDevice(honest, async (device) => {
    await using to = lineTo(device.port, { close: "after requests" });
    for (let i = 0; i < 1000; i++) {
      assert.deepEqual(await to.line.send(1, read(i)), [i]);
      while (device.open > 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await to.line.close();
    await eventually(() => device.open === 0);
    assert.equal(device.connections, 1000);
  }));

test(
  "a thousand connections that the device cuts, or refuses, leave nothing open",
  { skip: noDescriptors },
  () =>
    withDevice((_bytes, socket) => void socket.destroy(), async (device) => {
      await using to = lineTo(device.port, { restMaxMs: 0 });
      const cut = async (unit: number) => {
        // A refused connection rests for a moment; every other one is made.
        while (true) {
          const error = await to.line.send(unit, read(0)).catch((error) => error);
          assert.ok(error instanceof Disconnected, String(error));
          if (/closed|reset|EPIPE|gone/i.test(error.message)) return;
          await realClock.sleep(1);
        }
      };
      for (let i = 0; i < 10; i++) await cut(1);
      await eventually(() => device.open === 0);
      const before = descriptors();
      for (let i = 0; i < 990; i++) await cut(1);
      await eventually(() => device.open === 0);
      assert.equal(device.connections, 1000);
      // Other things of the process may come and go meanwhile.
      await eventually(() => descriptors() < before + 20);
      const absent = lineTo(await freePort(), { restMaxMs: 0 });
      for (let i = 0; i < 200; i++) await assert.rejects(absent.line.send(1, read(0)), Disconnected);
      await absent.line.close();
      await eventually(() => descriptors() < before + 20);
    }),
);

test("a unit that has been silent waits for all others when it is asked again", () =>
  withDevice(honest, async (device) => {
    const asked: number[] = [];
    device.script = (bytes, socket) => {
      asked.push(bytes[6]!);
      if (bytes[6] !== 9) honest(bytes, socket);
    };
    await using to = lineTo(device.port, { timeoutMs: 500, restMaxMs: 0 });
    await assert.rejects(to.line.send(9, read(0)), NoAnswer);
    await realClock.sleep(550);
    asked.length = 0;
    const dead = assert.rejects(to.line.send(9, read(0)), /does not answer within/);
    const live = [1, 2, 3].map((unit) => to.line.send(unit, read(unit)));
    assert.deepEqual(await Promise.all(live), [[1], [2], [3]]);
    await dead;
    assert.deepEqual(asked, [1, 2, 3, 9]);
  }));

test("a request whose signal aborts is not sent, or not waited for", () =>
  withDevice(() => {}, async (device) => {
    await using to = lineTo(device.port);
    const abort = new AbortController();
    const sent: number[] = [];
    let answer = () => {};
    device.script = (bytes, socket) => {
      sent.push(bytes[9]!);
      answer = () => honest(bytes, socket);
    };
    const underway = to.line.send(1, read(1), { signal: abort.signal });
    const queued = to.line.send(1, read(2), { signal: abort.signal });
    const other = to.line.send(1, read(3));
    await eventually(() => sent.length === 1);
    const reason = new Error("enough");
    abort.abort(reason);
    await assert.rejects(underway, (error) => error === reason);
    await assert.rejects(queued, (error) => error === reason);
    await assert.rejects(to.line.send(1, read(4), { signal: abort.signal }), (error) => error === reason);
    answer();
    await eventually(() => sent.length === 2);
    answer();
    assert.deepEqual(await other, [3]);
    assert.deepEqual(sent, [1, 3]);
  }));

test("all that wait learn that the connection is lost, or that the line is closed", () =>
  withDevice(() => {}, async (device) => {
    await using to = lineTo(device.port);
    const lost = [to.line.send(1, read(1)), to.line.send(1, read(2))].map((each) => assert.rejects(each, Disconnected));
    await eventually(() => device.connections === 1);
    device.cut();
    await Promise.all(lost);
    const closed = [to.line.send(1, read(3)), to.line.send(1, read(4))];
    const rejections = closed.map((each) =>
      assert.rejects(each, { name: "Disconnected", message: "the line is closed" })
    );
    await eventually(() => device.connections === 2);
    await to.line.close();
    await Promise.all(rejections);
    await assert.rejects(to.line.send(1, read(5)), Disconnected);
  }));

test("an RTU line finds the answer behind noise, and tells a wrong checksum", async () => {
  const framing = new RtuFraming();
  const other = new RtuFraming();
  // The answer to a read of one register is as long as a request without its last byte, so a frame of it is made by hand.
  const frameOf = (unit: number, ...pdu: number[]) => other.begin(unit, { ...read(0), pdu: Uint8Array.from(pdu) });
  await withDevice(() => {}, async (device) => {
    await using to = lineTo(device.port, { framing, timeoutMs: 5000, quietMs: 50 });
    device.script = (_bytes, socket) => void socket.write(Uint8Array.of(0, 1, 3, 9, ...frameOf(1, 3, 2, 0, 7)));
    assert.deepEqual(await to.line.send(1, read(7)), [7]);
    device.script = (_bytes, socket) => void socket.write(frameOf(1, 3, 2, 0, 7).with(4, 8));
    const begin = performance.now();
    await assert.rejects(to.line.send(1, read(7)), (error) => {
      assert.ok(error instanceof BadAnswer);
      assert.equal(error.message, "what came has a wrong checksum, unit, function or length (7 bytes)");
      return true;
    });
    assert.ok(performance.now() - begin < 4000, "silence ends it, not the time-out");
    device.script = (_bytes, socket) => void socket.write(frameOf(2, 3, 2, 0, 7));
    await assert.rejects(to.line.send(1, read(7)), BadAnswer, "of another unit");
    device.script = (_bytes, socket) => void socket.write(frameOf(1, 0x83, 6));
    await assert.rejects(to.line.send(1, read(7)), { message: "the device is busy (exception 6)" });
  });
});

test("an RTU line leaves a silent unit alone until its late answer can deceive nobody", async () => {
  const frameOf = (value: number) => new RtuFraming().begin(1, { ...read(0), pdu: Uint8Array.of(3, 2, 0, value) });
  await withDevice(() => {}, async (device) => {
    await using to = lineTo(device.port, { framing: new RtuFraming(), timeoutMs: 500 });
    device.script = (_bytes, socket) => void setTimeout(() => socket.write(frameOf(7)), 600);
    await assert.rejects(to.line.send(1, read(7)), NoAnswer);
    device.script = (_bytes, socket) => void socket.write(frameOf(8));
    let value: number[] | undefined;
    const deadline = Date.now() + 20_000;
    while (value === undefined && Date.now() < deadline) {
      value = await to.line.send(1, read(8)).catch(() => undefined);
      await realClock.sleep(5);
    }
    assert.deepEqual(value, [8]);
  });
});
