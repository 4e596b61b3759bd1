/**
 * Bytes that grow while a payload is written; big endian, as MessagePack and CBOR are.
 * @module
 */
import { RowError } from "../diagnostics/row_error.ts";

/** What a row holds may be many times as long written out, since its parts may be one and the same value. */
const sizeMax = 32 * 1024 * 1024;

/** UTF-16 units; longer texts are quicker through the engine's encoder. */
const shortMax = 24;

const utf8 = new TextEncoder();

export class ByteWriter {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** Bytes written since the last {@linkcode ByteWriter.take}. */
  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
  }

  /** A byte and behind it 16 bits. */
  u8u16(first: number, value: number): void {
    const at = this.#reserve(3);
    this.#bytes[at] = first;
    this.#view.setUint16(at + 1, value);
  }

  u8u32(first: number, value: number): void {
    const at = this.#reserve(5);
    this.#bytes[at] = first;
    this.#view.setUint32(at + 1, value);
  }

  /** Negative values as two's complement. */
  u8u64(first: number, value: bigint): void {
    const at = this.#reserve(9);
    this.#bytes[at] = first;
    this.#view.setBigInt64(at + 1, BigInt.asIntN(64, value));
  }

  u8f32(first: number, value: number): void {
    const at = this.#reserve(5);
    this.#bytes[at] = first;
    this.#view.setFloat32(at + 1, value);
  }

  u8f64(first: number, value: number): void {
    const at = this.#reserve(9);
    this.#bytes[at] = first;
    this.#view.setFloat64(at + 1, value);
  }

  bytes(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
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
    const at = this.#reserve(text.length);
    for (let i = 0; i < text.length; i++) this.#bytes[at + i] = text.charCodeAt(i);
    return true;
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
