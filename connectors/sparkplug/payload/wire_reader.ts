/**
 * The wire format of Protocol Buffers, read field by field.
 * @module
 */

/** Bytes that are no Sparkplug payload. */
export class BadPayload extends Error {
  constructor(message: string) {
    super(message);
    this.name = "BadPayload";
  }
}

/** How a field is written: what its tag says. */
export type WireType = "varint" | "64 bit" | "bytes" | "32 bit";

const wireTypes: readonly (WireType | undefined)[] = ["varint", "64 bit", "bytes", undefined, undefined, "32 bit"];
const varintBytesMax = 10;
const decoder = new TextDecoder();

/** Reads the fields of one message; each must be read, or skipped, before the next. */
export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  /** Number and form of the field at hand. */
  field = 0;
  type: WireType = "varint";

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Goes on to the next field; false at the end of the message. */
  next(): boolean {
    if (this.#at === this.#bytes.length) return false;
    const tag = this.#varint();
    const type = wireTypes[Number(tag & 7n)];
    if (type === undefined) throw new BadPayload(`a field has the unknown wire type ${tag & 7n}`);
    if (tag >> 3n === 0n || tag >> 3n > 0x1fff_ffffn) throw new BadPayload("a field has no number");
    this.field = Number(tag >> 3n);
    this.type = type;
    return true;
  }

  /** An unsigned number of 64 bits. */
  uint(): bigint {
    this.#expect("varint");
    return this.#varint();
  }

  boolean(): boolean {
    return this.uint() !== 0n;
  }

  float(): number {
    this.#expect("32 bit");
    const at = this.#take(4);
    return this.#view.getFloat32(at, true);
  }

  double(): number {
    this.#expect("64 bit");
    const at = this.#take(8);
    return this.#view.getFloat64(at, true);
  }

  bytes(): Uint8Array {
    this.#expect("bytes");
    const length = Number(this.#varint());
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  text(): string {
    return decoder.decode(this.bytes());
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** One of several packed numbers, which have no tags. */
  plainVarint(): bigint {
    return this.#varint();
  }

  /** Of a field of a newer version. */
  skip(): void {
    if (this.type === "varint") this.#varint();
    else if (this.type === "bytes") this.bytes();
    else this.#take(this.type === "32 bit" ? 4 : 8);
  }

  #expect(type: WireType): void {
    if (this.type !== type) throw new BadPayload(`field ${this.field} is of the wire type ${this.type}, not ${type}`);
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) throw new BadPayload(`the payload ends in field ${this.field}`);
    this.#at += length;
    return at;
  }

  #varint(): bigint {
    // Most are short; bigints are made only where they are needed.
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#bytes[this.#take(1)]!;
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt(low);
    }
    let value = BigInt(low);
    for (let index = 4; index < varintBytesMax; index++) {
      const byte = this.#bytes[this.#take(1)]!;
      value |= BigInt(byte & 0x7f) << BigInt(7 * index);
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new BadPayload(`a number in field ${this.field} has more than ${varintBytesMax} bytes`);
  }
}
