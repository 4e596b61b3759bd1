/**
 * Goes over the bytes of a payload within its bounds, for the binary formats; big endian unless the format says otherwise.
 *
 * Invariant: no read goes beyond `end`; a payload that ends too early is malformed.
 * @module
 */
import { MalformedPayload, nestingMax, valuesMax } from "./document_decoder.ts";

/** A format's reader has the values; this has the place in the bytes. It is made once and begins anew for each payload. */
export class ByteReader {
  bytes: Uint8Array = new Uint8Array();
  view: DataView = new DataView(this.bytes.buffer);
  at = 0;
  /** Behind the last byte that may be read. */
  end = 0;
  #start = 0;
  #values = 0;

  begin(bytes: Uint8Array, start: number, end: number): void {
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    this.#start = this.at = start;
    this.end = end;
    this.#values = 0;
  }

  /** @throws {MalformedPayload} when bytes are left */
  finish(): void {
    if (this.at < this.end) this.fail(`${this.end - this.at} bytes follow the value`);
  }

  peek(): number {
    if (this.at >= this.end) this.cutOff();
    return this.bytes[this.at]!;
  }

  u8(): number {
    if (this.at >= this.end) this.cutOff();
    return this.bytes[this.at++]!;
  }

  u16(): number {
    return this.view.getUint16(this.take(2));
  }

  u32(): number {
    return this.view.getUint32(this.take(4));
  }

  /** Where the next `size` bytes begin, which are passed over. */
  take(size: number): number {
    const from = this.at;
    if (size > this.end - from) this.cutOff();
    this.at = from + size;
    return from;
  }

  /** A copy: the payload's buffer belongs to the connector and rows outlive it. */
  copy(size: number): Uint8Array {
    const from = this.take(size);
    return Uint8Array.prototype.slice.call(this.bytes, from, from + size);
  }

  /** Accounts for values that are made. */
  spend(count: number): void {
    this.#values += count;
    if (this.#values > valuesMax) this.fail(`over ${valuesMax} values`);
  }

  /** The same for values that take a byte each: a count that lies would cost memory before the end shows it. */
  spendBytes(count: number): void {
    if (count > this.end - this.at) this.cutOff();
    this.spend(count);
  }

  /** The depth inside of a value at `depth`. */
  deeper(depth: number): number {
    if (depth >= nestingMax) this.fail(`nested over ${nestingMax} levels deep`);
    return depth + 1;
  }

  cutOff(): never {
    this.at = this.end;
    this.fail("the payload ends within a value");
  }

  /** @throws {MalformedPayload} at this place */
  fail(message: string): never {
    throw new MalformedPayload(message, this.at - this.#start);
  }
}
