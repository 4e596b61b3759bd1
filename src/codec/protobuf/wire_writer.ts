/**
 * Bytes of a message of Protocol Buffers that grow while it is written.
 * @module
 */
import { GrowingBytes } from "../growing_bytes.ts";

export class WireWriter extends GrowingBytes {
  tag(number: number, wire: number): void {
    // Numbers have up to 29 bits, so that the sum has up to 32.
    this.varint32((number << 3 | wire) >>> 0);
  }

  /** From 0 to 2^32 - 1. */
  varint32(value: number): void {
    const at = this.reserve(5);
    let end = at;
    let rest = value;
    while (rest > 0x7f) {
      this.buffer[end++] = rest & 0x7f | 0x80;
      rest >>>= 7;
    }
    this.buffer[end++] = rest;
    this.length = end;
  }

  /** Negative values as two's complement of 64 bits, which takes ten bytes. */
  varint64(value: bigint): void {
    let rest = BigInt.asUintN(64, value);
    if (rest <= 0xffffffffn) return this.varint32(Number(rest));
    const at = this.reserve(10);
    let end = at;
    while (rest > 0x7fn) {
      this.buffer[end++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.buffer[end++] = Number(rest);
    this.length = end;
  }

  fixed32(value: number): void {
    const at = this.reserve(4);
    this.view.setUint32(at, value, true);
  }

  fixed64(value: bigint): void {
    const at = this.reserve(8);
    this.view.setBigUint64(at, BigInt.asUintN(64, value), true);
  }

  float(value: number): void {
    const at = this.reserve(4);
    this.view.setFloat32(at, value, true);
  }

  double(value: number): void {
    const at = this.reserve(8);
    this.view.setFloat64(at, value, true);
  }

  /** What `write` writes, with its length in front. */
  sized(write: () => void): void {
    const head = this.reserve(1);
    const from = this.length;
    write();
    const size = this.length - from;
    let headSize = 1;
    for (let rest = size >>> 7; rest > 0; rest >>>= 7) headSize++;
    if (headSize > 1) {
      this.reserve(headSize - 1);
      this.buffer.copyWithin(head + headSize, from, from + size);
    }
    let rest = size;
    for (let i = 0; i < headSize; i++) {
      this.buffer[head + i] = i < headSize - 1 ? rest & 0x7f | 0x80 : rest;
      rest >>>= 7;
    }
  }
}
