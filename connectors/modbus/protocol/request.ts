/**
 * The requests of the Modbus application protocol, and what their answers bring.
 *
 * @example
 * ```ts
 * const request = readRequest("holding", 100, 2);
 * request.pdu; // 03 00 64 00 02
 * request.read(Uint8Array.of(3, 4, 0, 1, 0, 2)); // [1, 2]
 * ```
 * @module
 */
import type { RegisterKind } from "../tag.ts";
import { BadAnswer, ModbusException } from "./failure.ts";

/** One request, and how to read its answer. */
export interface ModbusRequest<T> {
  /** Function code and data. */
  readonly pdu: Uint8Array;
  readonly kind: "read" | "write";
  /** Bytes of the answer when it is no exception. */
  readonly answerBytes: number;
  /**
   * What the answer, a PDU, says.
   *
   * @throws {ModbusException} the device refuses
   * @throws {BadAnswer} it answers something else
   */
  read(answer: Uint8Array): T;
}

/** An exception has the function code and its own code. */
export const exceptionBytes = 2;

const READ_FUNCTIONS: Readonly<Record<RegisterKind, number>> = { coil: 1, discrete: 2, holding: 3, input: 4 };

/** Asks for `count` registers, or bits as 0 and 1, from `address` on. */
export function readRequest(register: RegisterKind, address: number, count: number): ModbusRequest<number[]> {
  const code = READ_FUNCTIONS[register];
  const bits = code <= 2;
  const bytes = bits ? Math.ceil(count / 8) : count * 2;
  return {
    pdu: pduOf(code, address, count),
    kind: "read",
    answerBytes: 2 + bytes,
    read(answer) {
      check(answer, code, 2 + bytes);
      if (answer[1] !== bytes) throw new BadAnswer(`the answer says it has ${answer[1]} bytes of data, not ${bytes}`);
      const data: number[] = [];
      for (let i = 0; i < count; i++) {
        data.push(bits ? answer[2 + (i >> 3)]! >> (i & 7) & 1 : answer[2 + i * 2]! << 8 | answer[3 + i * 2]!);
      }
      return data;
    },
  };
}

/** Switches one coil. */
export function writeCoilRequest(address: number, on: boolean): ModbusRequest<void> {
  return echoed(pduOf(5, address, on ? 0xff00 : 0));
}

/** Sets one holding register. */
export function writeRegisterRequest(address: number, word: number): ModbusRequest<void> {
  return echoed(pduOf(6, address, word));
}

/** Switches coils one after the other, at most 1968; 0 is off. */
export function writeCoilsRequest(address: number, bits: readonly number[]): ModbusRequest<void> {
  const bytes = Math.ceil(bits.length / 8);
  const pdu = new Uint8Array(6 + bytes);
  pdu.set(pduOf(15, address, bits.length));
  pdu[5] = bytes;
  bits.forEach((bit, i) => {
    if (bit !== 0) pdu[6 + (i >> 3)]! |= 1 << (i & 7);
  });
  return echoed(pdu);
}

/** Sets holding registers one after the other, at most 123. */
export function writeRegistersRequest(address: number, words: readonly number[]): ModbusRequest<void> {
  const pdu = new Uint8Array(6 + words.length * 2);
  pdu.set(pduOf(16, address, words.length));
  pdu[5] = words.length * 2;
  words.forEach((word, i) => {
    pdu[6 + i * 2] = word >> 8;
    pdu[7 + i * 2] = word;
  });
  return echoed(pdu);
}

/** Sets the bits of a holding register that are set in `mask` to those of `word`, in the device and at once. */
export function maskRegisterRequest(address: number, mask: number, word: number): ModbusRequest<void> {
  const pdu = new Uint8Array(7);
  pdu.set(pduOf(22, address, ~mask & 0xffff));
  pdu[5] = (word & mask) >> 8;
  pdu[6] = word & mask;
  return echoed(pdu, 7);
}

/** The answer of a write repeats the beginning of the request. */
function echoed(pdu: Uint8Array, bytes = 5): ModbusRequest<void> {
  return {
    pdu,
    kind: "write",
    answerBytes: bytes,
    read(answer) {
      check(answer, pdu[0]!, bytes);
      for (let i = 1; i < bytes; i++) {
        if (answer[i] !== pdu[i]) throw new BadAnswer("the answer repeats another address or value than was written");
      }
    },
  };
}

function check(answer: Uint8Array, code: number, bytes: number): void {
  if (answer[0] === (code | 0x80) && answer.length >= exceptionBytes) throw new ModbusException(answer[1]!);
  if (answer[0] !== code) throw new BadAnswer(`the answer is to function ${answer[0]}, not ${code}`);
  if (answer.length !== bytes) throw new BadAnswer(`the answer has ${answer.length} bytes, not ${bytes}`);
}

function pduOf(code: number, address: number, value: number): Uint8Array {
  return Uint8Array.of(code, address >> 8, address, value >> 8, value);
}
