/**
 * Modbus RTU, on a serial line or over TCP: unit, PDU and a checksum, one after the other without marks between them.
 *
 * Where the answer begins is found by the unit, the function, the length that the request lets expect, and the
 * checksum, so noise before it does no harm. There are no transaction numbers: an answer that comes after its time-out
 * looks like one to the next request of the same unit, function and length. Whoever uses this leaves such a unit alone
 * for a while; what comes in the meantime is thrown away here.
 * @module
 */
import { crc16 } from "./crc16.ts";
import type { Framing } from "./framing.ts";
import { exceptionBytes, type ModbusRequest } from "./request.ts";

/** A unit before the PDU and a checksum behind it. */
const envelopeBytes = 3;
/** The longest frame of the protocol; of more noise than that, the beginning is forgotten. */
const frameBytesMax = 256;

export class RtuFraming implements Framing {
  readonly broadcastUnit = 0;
  #unitId = 0;
  #code = 0;
  #answerBytes = 0;
  #waits = false;
  #come: number[] = [];

  begin(unitId: number, request: ModbusRequest<unknown>): Uint8Array {
    this.#unitId = unitId;
    this.#code = request.pdu[0]!;
    this.#answerBytes = request.answerBytes;
    this.#waits = true;
    this.#come = [];
    const frame = Uint8Array.of(unitId, ...request.pdu, 0, 0);
    const crc = crc16(frame, 0, frame.length - 2);
    frame[frame.length - 2] = crc;
    frame[frame.length - 1] = crc >> 8;
    return frame;
  }

  take(bytes: Uint8Array): Uint8Array | undefined {
    if (!this.#waits) return undefined;
    // Twice the longest frame holds a whole one however much noise is before it.
    this.#come = [...this.#come, ...bytes].slice(-2 * frameBytesMax);
    const come = Uint8Array.from(this.#come);
    for (let at = 0; at + envelopeBytes + exceptionBytes <= come.length; at++) {
      if (come[at] !== this.#unitId) continue;
      const code = come[at + 1]!;
      if (code !== this.#code && code !== (this.#code | 0x80)) continue;
      const length = envelopeBytes + (code === this.#code ? this.#answerBytes : exceptionBytes);
      const end = at + length;
      if (end > come.length || crc16(come, at, end - 2) !== (come[end - 2]! | come[end - 1]! << 8)) continue;
      this.#waits = false;
      this.#come = [];
      return come.slice(at + 1, end - 2);
    }
    return undefined;
  }

  get fault(): string | undefined {
    const { length } = this.#come;
    if (!this.#waits || length < envelopeBytes + exceptionBytes) return undefined;
    return `what came has a wrong checksum, unit, function or length (${length} bytes)`;
  }

  abandon(): void {
    this.#waits = false;
    this.#come = [];
  }

  reset(): void {
    this.abandon();
  }
}
