/**
 * Bytes of a message of Protocol Buffers that grow while it is written.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";

/** What a row holds may be many times as long written out, since its parts may be one and the same value. */
const sizeMax = 32 * 1024 * 1024;

export class WireWriter {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  tag(number: number, wire: number): void {
    // Numbers have up to 29 bits, so that the sum has up to 32.
    this.varint32((number << 3 | wire) >>> 0);
  }

  /** From 0 to 2^32 - 1. */
  varint32(value: number): void {
    const at = this.#reserve(5);
    let end = at;
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[end++] = rest & 0x7f | 0x80;
      rest >>>= 7;
    }
    this.#bytes[end++] = rest;
    this.#length = end;
  }

  /** Negative values as two's complement of 64 bits, which takes ten bytes. */
  varint64(value: bigint): void {
    let rest = BigInt.asUintN(64, value);
    if (rest <= 0xffffffffn) return this.varint32(Number(rest));
    const at = this.#reserve(10);
    let end = at;
    while (rest > 0x7fn) {
      this.#bytes[end++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[end++] = Number(rest);
    this.#length = end;
  }

  fixed32(value: number): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value, true);
  }

  fixed64(value: bigint): void {
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, value), true);
  }

  float(value: number): void {
    const at = this.#reserve(4);
    this.#view.setFloat32(at, value, true);
  }

  double(value: number): void {
    const at = this.#reserve(8);
    this.#view.setFloat64(at, value, true);
  }

  bytes(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** What `write` writes, with its length in front. */
  sized(write: () => void): void {
    const head = this.#reserve(1);
    const from = this.#length;
    write();
    const size = this.#length - from;
    let headSize = 1;
    for (let rest = size >>> 7; rest > 0; rest >>>= 7) headSize++;
    if (headSize > 1) {
      this.#reserve(headSize - 1);
      this.#bytes.copyWithin(head + headSize, from, from + size);
    }
    let rest = size;
    for (let i = 0; i < headSize; i++) {
      this.#bytes[head + i] = i < headSize - 1 ? rest & 0x7f | 0x80 : rest;
      rest >>>= 7;
    }
  }

  /** A copy of what was written; the next payload begins. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }

  /** Forgets what was written of a payload that failed. */
  clear(): void {
    this.#length = 0;
  }

  /** @throws {RowError} E508 when the payload becomes too large. */
  #reserve(size: number): number {
    const at = this.#length;
    const end = at + size;
    if (end > this.#bytes.length) {
      if (end > sizeMax) throw new RowError("E508", `Cannot encode a payload of over ${sizeMax} bytes`);
      const larger = new Uint8Array(Math.min(Math.max(end, this.#bytes.length * 2), sizeMax));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = end;
    return at;
  }
}
