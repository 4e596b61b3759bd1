import assert from "node:assert/strict";
import { test } from "node:test";
import { BadAnswer, LostFraming, ModbusException } from "./failure.ts";
import type { Framing } from "./framing.ts";
import { readRequest } from "./request.ts";
import { RtuFraming } from "./rtu_framing.ts";
import { TcpFraming } from "./tcp_framing.ts";
import { crc16 } from "./crc16.ts";

/** The same numbers in every run. */
function random(seed: number): (max: number) => number {
  return (max) => {
    seed = Math.imul(seed ^ seed >>> 15, 0x2c1b3c6d) + 0x9e3779b9 | 0;
    return Math.floor((seed >>> 0) / 2 ** 32 * max);
  };
}

/** What a good device answers on `frame`: each register has its own address. */
const devices: Record<"tcp" | "rtu", (frame: Uint8Array) => Uint8Array> = {
  tcp: (frame) => {
    const data = registersOf(frame.subarray(6));
    return Uint8Array.of(frame[0]!, frame[1]!, 0, 0, 0, data.length + 3, frame[6]!, frame[7]!, data.length, ...data);
  },
  rtu: (frame) => {
    const data = registersOf(frame);
    const answer = Uint8Array.of(frame[0]!, frame[1]!, data.length, ...data, 0, 0);
    const crc = crc16(answer, 0, answer.length - 2);
    answer.set([crc & 255, crc >> 8], answer.length - 2);
    return answer;
  },
};

function registersOf(request: Uint8Array): number[] {
  const address = request[2]! << 8 | request[3]!;
  return Array.from({ length: request[5]! }, (_, i) => [address + i >> 8, address + i & 255]).flat();
}

test("crc16() is that of the specification", () => {
  assert.equal(crc16(new TextEncoder().encode("123456789")), 0x4b37);
  // The frame 02 07 41 12 of its appendix: the low byte of the checksum goes first.
  assert.equal(crc16(Uint8Array.of(2, 7)), 0x1241);
});

for (const kind of ["tcp", "rtu"] as const) {
  const made = (): Framing => kind === "tcp" ? new TcpFraming() : new RtuFraming();
  const device = devices[kind];

  test(`answers cut anywhere are whole again, ${kind}`, () => {
    const next = random(5);
    const framing = made();
    for (let round = 0; round < 2000; round++) {
      const [address, count] = [next(60_000), 1 + next(125)];
      const request = readRequest("holding", address, count);
      const answer = device(framing.begin(1 + next(247), request));
      let got: Uint8Array | undefined;
      for (let at = 0; at < answer.length;) {
        assert.equal(got, undefined, "an answer before its end");
        const end = Math.min(answer.length, at + 1 + next(next(2) === 0 ? 3 : 300));
        got = framing.take(answer.subarray(at, end));
        at = end;
      }
      assert.ok(got);
      assert.deepEqual(request.read(got), Array.from({ length: count }, (_, i) => address + i));
    }
  });

  test(`damage never gives wrong registers, nor any error but those of the contract, ${kind}`, () => {
    const next = random(9);
    let framing = made();
    const ends: Record<string, number> = {};
    for (let round = 0; round < 20_000; round++) {
      const [address, count] = [next(60_000), 1 + next(20)];
      const request = readRequest("holding", address, count);
      const good = device(framing.begin(1 + next(247), request));
      const header = kind === "tcp" ? 9 : good.length;
      const bad = Uint8Array.from(good);
      const way = next(4);
      // Modbus TCP has no checksum: damage to the data itself is for TCP to find.
      if (way === 0) bad[next(header)]! ^= 1 << next(8);
      const damaged = way === 1
        ? bad.subarray(0, next(bad.length))
        : way === 2
        ? Uint8Array.from({ length: next(40) }, () => next(256))
        : way === 3 && kind === "rtu"
        ? Uint8Array.of(...Array.from({ length: next(300) }, () => next(256)), ...bad)
        : bad;
      let end: string;
      try {
        const answer = framing.take(damaged);
        end = answer === undefined ? "nothing" : "answer";
        if (answer !== undefined) {
          assert.deepEqual(request.read(answer), Array.from({ length: count }, (_, i) => address + i));
        }
      } catch (error) {
        assert.ok(
          error instanceof BadAnswer || error instanceof LostFraming || error instanceof ModbusException,
          String(error),
        );
        end = error.name;
      }
      ends[end] = (ends[end] ?? 0) + 1;
      framing.abandon();
      // After that, a connection begins anew.
      if (end !== "answer") framing = made();
    }
    assert.ok(ends.answer! > 3000 && ends.nothing! > 3000, JSON.stringify(ends));
    if (kind === "tcp") assert.ok(ends.LostFraming! > 1000 && ends.BadAnswer! > 100, JSON.stringify(ends));
  });
}

test("a stream of noise does not make a framing grow", () => {
  const rtu = new RtuFraming();
  rtu.begin(1, readRequest("holding", 0, 1));
  const noise = new Uint8Array(65_536).fill(1);
  for (let i = 0; i < 4; i++) assert.equal(rtu.take(noise), undefined);
  assert.match(rtu.fault!, /\(512 bytes\)$/);
});
