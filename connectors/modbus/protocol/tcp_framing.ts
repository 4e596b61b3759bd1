/**
 * Modbus TCP: each PDU has a header with the number of its transaction, so that a late answer is known as such.
 * @module
 */
import { BadAnswer, LostFraming } from "./failure.ts";
import type { Framing } from "./framing.ts";
import type { ModbusRequest } from "./request.ts";

/** Transaction, protocol, length, each of two bytes; the unit counts among the length. */
const headerBytes = 6;
/** A unit and a PDU of at most 253 bytes. */
const lengthMax = 254;
/** A unit, a function and something more. */
const lengthMin = 3;

export class TcpFraming implements Framing {
  /** Unit 0 is the device itself here, and it answers. */
  readonly broadcastUnit = undefined;
  readonly fault = undefined;
  #transaction: number;
  #unitId = 0;
  #waits = false;
  #rest = new Uint8Array(0);

  /** The first transaction has the number after `transaction`. */
  constructor(transaction = 0) {
    this.#transaction = transaction;
  }

  begin(unitId: number, { pdu }: ModbusRequest<unknown>): Uint8Array {
    this.#transaction = this.#transaction + 1 & 0xffff;
    this.#unitId = unitId;
    this.#waits = true;
    const id = this.#transaction;
    const length = pdu.length + 1;
    return Uint8Array.of(id >> 8, id, 0, 0, length >> 8, length, unitId, ...pdu);
  }

  take(bytes: Uint8Array): Uint8Array | undefined {
    const all = joined(this.#rest, bytes);
    let answer: Uint8Array | undefined;
    let stranger: number | undefined;
    let at = 0;
    while (all.length - at >= headerBytes) {
      const protocol = all[at + 2]! << 8 | all[at + 3]!;
      const length = all[at + 4]! << 8 | all[at + 5]!;
      if (protocol !== 0) throw new LostFraming(`the device does not speak Modbus TCP: found protocol ${protocol}`);
      if (length < lengthMin || length > lengthMax) throw new LostFraming(`a frame says that it has ${length} bytes`);
      const end = at + headerBytes + length;
      if (end > all.length) break;
      const transaction = all[at]! << 8 | all[at + 1]!;
      if (this.#waits && transaction === this.#transaction) {
        this.#waits = false;
        const unitId = all[at + headerBytes]!;
        if (unitId === this.#unitId) answer = all.slice(at + headerBytes + 1, end);
        else stranger = unitId;
      }
      at = end;
    }
    this.#rest = all.slice(at);
    if (stranger !== undefined) throw new BadAnswer(`unit ${stranger} answers instead of unit ${this.#unitId}`);
    return answer;
  }

  abandon(): void {
    // The beginning of a late answer stays: its end is still to come.
    this.#waits = false;
  }

  reset(): void {
    this.#rest = new Uint8Array(0);
    this.#waits = false;
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
