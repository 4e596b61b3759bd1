/**
 * A line against devices that do everything wrong, at random: whatever they do, a value is that of the register that was
 * asked for, or there is none.
 */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { realClock } from "../../src/connector/conformance.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import { Line } from "./line.ts";
import { crc16 } from "./protocol/crc16.ts";
import { BadAnswer, ModbusException, NoAnswer } from "./protocol/failure.ts";
import { readRequest, writeRegisterRequest } from "./protocol/request.ts";
import { RtuFraming } from "./protocol/rtu_framing.ts";
import { TcpFraming } from "./protocol/tcp_framing.ts";
import { startDevice } from "./scripted_device.ts";
import { tcpPort } from "./tcp_port.ts";

/** The same numbers in every run with a seed. */
function random(seed: number): (max: number) => number {
  return (max) => {
    seed = Math.imul(seed ^ seed >>> 15, 0x2c1b3c6d) + 0x9e3779b9 | 0;
    return Math.floor((seed >>> 0) / 2 ** 32 * max);
  };
}

type Kind = "tcp" | "rtu";

interface Request {
  readonly transaction: number;
  readonly unit: number;
  readonly pdu: Uint8Array;
}

function parse(kind: Kind, bytes: Uint8Array): Request {
  return kind === "tcp"
    ? { transaction: bytes[0]! << 8 | bytes[1]!, unit: bytes[6]!, pdu: bytes.slice(7) }
    : { transaction: 0, unit: bytes[0]!, pdu: bytes.slice(1, -2) };
}

function frame(kind: Kind, { transaction, unit }: Omit<Request, "pdu">, pdu: Uint8Array): Uint8Array {
  if (kind === "tcp") {
    const length = pdu.length + 1;
    return Uint8Array.of(transaction >> 8, transaction, 0, 0, length >> 8, length, unit, ...pdu);
  }
  const all = Uint8Array.of(unit, ...pdu, 0, 0);
  const crc = crc16(all, 0, all.length - 2);
  all.set([crc & 255, crc >> 8], all.length - 2);
  return all;
}

/** What a good device answers: each register has its own address; a write is repeated. */
function answerPdu({ pdu }: Request): Uint8Array {
  if (pdu[0] === 6) return pdu;
  const [address, count] = [pdu[1]! << 8 | pdu[2]!, pdu[4]!];
  const words = Array.from({ length: count }, (_, i) => [address + i >> 8, address + i & 255]).flat();
  return Uint8Array.of(pdu[0]!, words.length, ...words);
}

/** Ways to answer; each gets the good answer and how to send. */
type Fault = (good: Uint8Array, request: Request, world: World) => void;

interface World {
  readonly kind: Kind;
  readonly socket: Socket;
  readonly next: (max: number) => number;
  /** Answers that are sent before the next one. */
  readonly late: Uint8Array[];
}

const good: Fault = (bytes, _request, { socket }) => void socket.write(bytes);

const faults: Readonly<Record<string, Fault>> = {
  "in pieces": (bytes, _request, { socket, next }) => {
    const at = 1 + next(bytes.length - 1);
    socket.write(bytes.subarray(0, at));
    setTimeout(() => socket.write(bytes.subarray(at)), 2);
  },
  late: (bytes, _request, { late }) => void late.push(bytes),
  twice: (bytes, _request, { socket }) => void socket.write(Uint8Array.of(...bytes, ...bytes)),
  silence: () => {},
  cut: (bytes, _request, { socket, next }) => {
    socket.write(bytes.subarray(0, next(bytes.length)));
    socket.destroySoon();
  },
  exception: (_bytes, request, { socket, kind, next }) =>
    void socket.write(frame(kind, request, Uint8Array.of(request.pdu[0]! | 0x80, 1 + next(12)))),
  "another transaction": (_bytes, request, { socket, kind, next }) =>
    void socket.write(
      frame(kind, { ...request, transaction: request.transaction ^ 1 + next(65_535) }, answerPdu(request)),
    ),
  "another unit": (_bytes, request, { socket, kind }) =>
    void socket.write(frame(kind, { ...request, unit: request.unit ^ 8 }, answerPdu(request))),
  "another function": (_bytes, request, { socket, kind }) =>
    void socket.write(frame(kind, request, answerPdu(request).with(0, 4))),
  "a short PDU": (_bytes, request, { socket, kind, next }) =>
    void socket.write(frame(kind, request, answerPdu(request).slice(0, 1 + next(3)))),
  "a wrong count": (_bytes, request, { socket, kind, next }) =>
    void socket.write(frame(kind, request, answerPdu(request).with(1, next(256)))),
  "a lying length": (bytes, _request, { socket, kind, next }) =>
    void socket.write(kind === "tcp" ? bytes.with(5, next(256)) : bytes.subarray(0, 1 + next(bytes.length))),
  "a flipped bit of the checksum": (bytes, _request, { socket, kind, next }) => {
    // Modbus TCP has none; there, the protocol number is damaged.
    const at = kind === "tcp" ? 2 + next(2) : bytes.length - 1 - next(2);
    socket.write(bytes.with(at, bytes[at]! ^ 1 << next(8)));
  },
  "noise before it": (bytes, _request, { socket, kind, next }) => {
    const noise = Array.from({ length: kind === "tcp" ? 0 : 1 + next(20) }, () => next(256));
    socket.write(Uint8Array.of(...noise, ...bytes));
  },
  noise: (_bytes, _request, { socket, next }) =>
    void socket.write(Uint8Array.from({ length: 1 + next(300) }, () => next(256))),
};

for (const kind of ["tcp", "rtu"] as const) {
  test(`whatever a device does, no answer is taken for that of another request, ${kind}`, async () => {
    const next = random(kind === "tcp" ? 3 : 4);
    const names = Object.keys(faults);
    const late: Uint8Array[] = [];
    let asked = 0;
    let calm = false;
    const device = await startDevice((bytes, socket) => {
      const request = parse(kind, bytes);
      const world = { kind, socket, next, late };
      asked++;
      // Late ones come right before the answer to the next request, the worst moment there is.
      for (const each of late.splice(0)) socket.write(each);
      const fault = calm || next(3) === 0 ? good : faults[names[next(names.length)]!]!;
      fault(frame(kind, request, answerPdu(request)), request, world);
    });
    const line = new Line({
      open: tcpPort({ host: "127.0.0.1", port: device.port, connectTimeoutMs: 10_000 }, realClock),
      framing: kind === "tcp" ? new TcpFraming() : new RtuFraming(),
      timeoutMs: 20,
      pauseMs: 0,
      broadcastPauseMs: 0,
      delayAfterConnectMs: 0,
      close: "stay",
      quietMs: 5,
      restMaxMs: 0,
      silencesMax: 3,
    }, { clock: realClock, status: () => {} });
    const ends: Record<string, number> = {};
    const request = async (round: number) => {
      // An answer of RTU can only be told by unit, function and length: no two requests in a row have the same.
      const [unit, count, address] = [1 + round % 7, 1 + round % 5, next(60_000)];
      try {
        if (round % 9 === 0) await line.send(unit, writeRegisterRequest(address, round));
        else {
          const words = await line.send(unit, readRequest("holding", address, count));
          assert.deepEqual(words, Array.from({ length: count }, (_, i) => address + i));
        }
        return "value";
      } catch (error) {
        const expected = [BadAnswer, ModbusException, NoAnswer, Disconnected].some((type) => error instanceof type);
        if (!expected) throw error;
        return (error as Error).name;
      }
    };
    try {
      for (let round = 0; round < 500; round++) {
        const end = await request(round);
        ends[end] = (ends[end] ?? 0) + 1;
      }
      assert.ok(asked > 150, `${asked} requests`);
      for (const end of ["value", "ModbusException", "BadAnswer", "NoAnswer", "Disconnected"]) {
        assert.ok(ends[end]! >= 5, JSON.stringify(ends));
      }
      // And with a device that behaves again, all is well.
      calm = true;
      await realClock.sleep(300);
      let round = 500;
      const deadline = Date.now() + 20_000;
      for (let good = 0; good < 20 && Date.now() < deadline; round++) {
        good = await request(round) === "value" ? good + 1 : 0;
        if (good === 0) await realClock.sleep(50);
        else if (good === 20) return;
      }
      assert.fail("the line never recovers");
    } finally {
      await line.close();
      await device.close();
    }
  });
}
