/**
 * Bytes that grow while a payload is written; big endian, as MessagePack and CBOR are.
 * @module
 */
import { GrowingBytes } from "./growing_bytes.ts";

/** UTF-16 units; longer texts are quicker through the engine's encoder. */
const shortMax = 24;

const utf8 = new TextEncoder();

export class ByteWriter extends GrowingBytes {
  u8(value: number): void {
    const at = this.reserve(1);
    this.buffer[at] = value;
  }

  /** A byte and behind it 16 bits. */
  u8u16(first: number, value: number): void {
    const at = this.reserve(3);
    this.buffer[at] = first;
    this.view.setUint16(at + 1, value);
  }

  u8u32(first: number, value: number): void {
    const at = this.reserve(5);
    this.buffer[at] = first;
    this.view.setUint32(at + 1, value);
  }

  /** Negative values as two's complement. */
  u8u64(first: number, value: bigint): void {
    const at = this.reserve(9);
    this.buffer[at] = first;
    this.view.setBigInt64(at + 1, BigInt.asIntN(64, value));
  }

  u8f32(first: number, value: number): void {
    const at = this.reserve(5);
    this.buffer[at] = first;
    this.view.setFloat32(at + 1, value);
  }

  u8f64(first: number, value: number): void {
    const at = this.reserve(9);
    this.buffer[at] = first;
    this.view.setFloat64(at + 1, value);
  }

  /** A text as UTF-8; `head` writes what stands in front of it, once the number of its bytes is known. */
  text(text: string, head: (size: number) => void): void {
    if (text.length <= shortMax && this.#ascii(text, head)) return;
    const bytes = utf8.encode(text);
    head(bytes.length);
    this.bytes(bytes);
  }

  /** Writes a short text without the detour over an array; false when it is not all ASCII. */
  #ascii(text: string, head: (size: number) => void): boolean {
    for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
    head(text.length);
    const at = this.reserve(text.length);
    for (let i = 0; i < text.length; i++) this.buffer[at + i] = text.charCodeAt(i);
    return true;
  }
}
