/**
 * Writes the fields of one packet.
 * @module
 */
import { Buffer } from "node:buffer";

/** Collects the bytes of one packet; grows as needed. */
export class ByteWriter {
  #bytes: Buffer;
  length = 0;

  constructor(capacity = 64) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  #room(count: number): number {
    const at = this.length;
    if (at + count > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, at + count));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
    }
    this.length = at + count;
    return at;
  }

  byte(value: number): void {
    const at = this.#room(1);
    this.#bytes[at] = value;
  }

  uint16(value: number): void {
    const at = this.#room(2);
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
  }

  uint32(value: number): void {
    const at = this.#room(4);
    this.#bytes.writeUInt32BE(value, at);
  }

  varint(value: number): void {
    if (!(value >= 0 && value <= 268_435_455)) throw new RangeError(`Cannot encode variable byte integer: ${value}`);
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  raw(value: Uint8Array): void {
    const at = this.#room(value.length);
    this.#bytes.set(value, at);
  }

  binary(value: Uint8Array): void {
    if (value.length > 0xffff) throw new RangeError(`Cannot encode binary field: ${value.length} bytes, at most 65535`);
    this.uint16(value.length);
    this.raw(value);
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    if (length > 0xffff) throw new RangeError(`Cannot encode text field: ${length} bytes, at most 65535`);
    this.uint16(length);
    const at = this.#room(length);
    this.#bytes.write(value, at);
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.length);
  }
}
