/**
 * Reads MessagePack, whole numbers as ints and floats as floats.
 *
 * Our own, since what distinguishes `1` from `1.0` in a payload is lost in the libraries: both become a number.
 * @module
 */
import { DateTime, isTimestamp } from "../value/datetime.ts";
import { setOwn, type Struct, type Value } from "../value/value.ts";
import { ByteReader } from "./byte_reader.ts";
import type { Decoder, DecoderOptions } from "./codec.ts";
import { createDocumentDecoder, intOrFloat } from "./document_decoder.ts";
import { KeyCache, textAt } from "./text_reader.ts";

/** Texts, bytes and arrays end up as in JSON; extension -1 is a datetime, others `{"type", "data"}`. */
export function createMsgpackDecoder(options: DecoderOptions): Decoder {
  const reader = new Reader();
  return createDocumentDecoder("MessagePack", options, (...payload) => reader.rows(...payload));
}

const timestampType = -1;

class Reader extends ByteReader {
  readonly #keys = new KeyCache();

  rows(bytes: Uint8Array, start: number, end: number, columns: ReadonlySet<string> | "all"): Struct[] {
    this.begin(bytes, start, end);
    const rows = this.#document(columns);
    this.finish();
    return rows;
  }

  #document(columns: ReadonlySet<string> | "all"): Struct[] {
    const count = this.#arraySize();
    if (count === undefined) return [this.#row(columns, "the payload")];
    this.spendBytes(count);
    const rows: Struct[] = [];
    for (let i = 0; i < count; i++) rows.push(this.#row(columns, `item ${i}`));
    return rows;
  }

  /** The number of items when an array stands here, which is then begun. */
  #arraySize(): number | undefined {
    const head = this.peek();
    if ((head & 0xf0) === 0x90) return this.at++, head & 0x0f;
    if (head === 0xdc) return this.at++, this.u16();
    if (head === 0xdd) return this.at++, this.u32();
    return undefined;
  }

  #row(columns: ReadonlySet<string> | "all", what: string): Struct {
    const head = this.u8();
    const isMap = (head & 0xf0) === 0x80 || head === 0xde || head === 0xdf;
    if (!isMap) {
      this.at--;
      this.fail(`${what} is no map, and only maps are rows`);
    }
    return this.#map(head === 0xde ? this.u16() : head === 0xdf ? this.u32() : head & 0x0f, columns, 1);
  }

  #map(count: number, columns: ReadonlySet<string> | "all", depth: number): Struct {
    this.spendBytes(count * 2);
    const struct: Struct = {};
    for (let i = 0; i < count; i++) {
      const key = this.#key();
      if (columns === "all" || columns.has(key)) setOwn(struct, key, this.#value(depth));
      else this.#skip();
    }
    return struct;
  }

  #key(): string {
    const head = this.u8();
    if ((head & 0xe0) === 0xa0) return this.#keyText(head & 0x1f);
    if (head === 0xd9) return this.#keyText(this.u8());
    if (head === 0xda) return this.#keyText(this.u16());
    if (head === 0xdb) return this.#keyText(this.u32());
    const isWhole = head <= 0x7f || head >= 0xe0 || (head >= 0xcc && head <= 0xd3);
    if (!isWhole) {
      this.at--;
      this.fail("a key of a map is neither text nor a whole number");
    }
    this.at--;
    return String(this.#value(0));
  }

  #keyText(size: number): string {
    const from = this.take(size);
    return this.#keys.keyAt(this.bytes, from, from + size);
  }

  #value(depth: number): Value {
    const head = this.u8();
    if (head <= 0x7f) return BigInt(head);
    if (head >= 0xe0) return BigInt(head - 0x100);
    if (head <= 0x8f) return this.#map(head & 0x0f, "all", this.deeper(depth));
    if (head <= 0x9f) return this.#array(head & 0x0f, this.deeper(depth));
    if (head <= 0xbf) return this.#text(head & 0x1f);
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.copy(this.u8());
      case 0xc5:
        return this.copy(this.u16());
      case 0xc6:
        return this.copy(this.u32());
      case 0xc7:
        return this.#extension(this.u8());
      case 0xc8:
        return this.#extension(this.u16());
      case 0xc9:
        return this.#extension(this.u32());
      case 0xca:
        return this.view.getFloat32(this.take(4));
      case 0xcb:
        return this.view.getFloat64(this.take(8));
      case 0xcc:
        return BigInt(this.u8());
      case 0xcd:
        return BigInt(this.u16());
      case 0xce:
        return BigInt(this.u32());
      case 0xcf:
        return intOrFloat(this.view.getBigUint64(this.take(8)));
      case 0xd0:
        return BigInt(this.view.getInt8(this.take(1)));
      case 0xd1:
        return BigInt(this.view.getInt16(this.take(2)));
      case 0xd2:
        return BigInt(this.view.getInt32(this.take(4)));
      case 0xd3:
        return this.view.getBigInt64(this.take(8));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (head - 0xd4));
      case 0xd9:
        return this.#text(this.u8());
      case 0xda:
        return this.#text(this.u16());
      case 0xdb:
        return this.#text(this.u32());
      case 0xdc:
        return this.#array(this.u16(), this.deeper(depth));
      case 0xdd:
        return this.#array(this.u32(), this.deeper(depth));
      case 0xde:
        return this.#map(this.u16(), "all", this.deeper(depth));
      case 0xdf:
        return this.#map(this.u32(), "all", this.deeper(depth));
      default:
        this.at--;
        this.fail("the byte 0xc1 is never used");
    }
  }

  #array(count: number, depth: number): Value[] {
    this.spendBytes(count);
    const items: Value[] = [];
    for (let i = 0; i < count; i++) items.push(this.#value(depth));
    return items;
  }

  #text(size: number): string {
    const from = this.take(size);
    return textAt(this.bytes, from, from + size);
  }

  #extension(size: number): Value {
    const type = this.view.getInt8(this.take(1));
    const from = this.at;
    const data = this.copy(size);
    if (type !== timestampType) return { type: BigInt(type), data };
    const ms = timestampMs(new DataView(data.buffer, data.byteOffset, size));
    if (ms === undefined || !isTimestamp(ms)) {
      this.at = from;
      this.fail("a timestamp is not valid");
    }
    return new DateTime(ms);
  }

  /** Passes over one value and all that is in it. */
  #skip(): void {
    let open = 1;
    while (open > 0) {
      open--;
      const head = this.u8();
      if (head <= 0x7f || head >= 0xe0 || head === 0xc0 || head === 0xc2 || head === 0xc3) continue;
      if (head <= 0x8f) open += (head & 0x0f) * 2;
      else if (head <= 0x9f) open += head & 0x0f;
      else if (head <= 0xbf) this.take(head & 0x1f);
      else if (head >= 0xd4 && head <= 0xd8) this.take(1 + (1 << (head - 0xd4)));
      else open += this.#skipSized(head);
    }
  }

  /** Values that follow it. */
  #skipSized(head: number): number {
    switch (head) {
      case 0xc4:
      case 0xd9:
        this.take(this.u8());
        return 0;
      case 0xc5:
      case 0xda:
        this.take(this.u16());
        return 0;
      case 0xc6:
      case 0xdb:
        this.take(this.u32());
        return 0;
      case 0xc7:
        this.take(this.u8() + 1);
        return 0;
      case 0xc8:
        this.take(this.u16() + 1);
        return 0;
      case 0xc9:
        this.take(this.u32() + 1);
        return 0;
      case 0xcc:
      case 0xd0:
        this.take(1);
        return 0;
      case 0xcd:
      case 0xd1:
        this.take(2);
        return 0;
      case 0xca:
      case 0xce:
      case 0xd2:
        this.take(4);
        return 0;
      case 0xcb:
      case 0xcf:
      case 0xd3:
        this.take(8);
        return 0;
      case 0xdc:
        return this.u16();
      case 0xdd:
        return this.u32();
      case 0xde:
        return this.u16() * 2;
      case 0xdf:
        return this.u32() * 2;
      default:
        this.at--;
        this.fail("the byte 0xc1 is never used");
    }
  }
}

/** Of the three forms of a timestamp, by their size; undefined for another one. */
function timestampMs(view: DataView): number | undefined {
  switch (view.byteLength) {
    case 4:
      return view.getUint32(0) * 1000;
    case 8: {
      const nanoseconds = view.getUint32(0) >>> 2;
      const seconds = (view.getUint32(0) & 3) * 2 ** 32 + view.getUint32(4);
      return joined(seconds, nanoseconds);
    }
    case 12:
      return joined(Number(view.getBigInt64(4)), view.getUint32(0));
    default:
      return undefined;
  }
}

function joined(seconds: number, nanoseconds: number): number | undefined {
  return nanoseconds < 1e9 ? seconds * 1000 + Math.floor(nanoseconds / 1e6) : undefined;
}
