/**
 * Reads CBOR (RFC 8949), whole numbers as ints and floats as floats.
 *
 * Our own, for the reason of MessagePack: libraries make one kind of number of both.
 * @module
 */
import { DateTime, isTimestamp } from "../value/datetime.ts";
import { setOwn, type Struct, type Value } from "../value/value.ts";
import { ByteReader } from "./byte_reader.ts";
import type { Decoder, DecoderOptions } from "./codec.ts";
import { createDocumentDecoder, intOrFloat, nestingMax, nounOf } from "./document_decoder.ts";
import { KeyCache, textAt } from "./text_reader.ts";

/**
 * Dates (tags 0 and 1) are datetimes, bignums ints or floats, decimal fractions and bigfloats floats; of other tags the
 * value stands for itself. Undefined is null.
 */
export function createCborDecoder(options: DecoderOptions): Decoder {
  const reader = new Reader();
  return createDocumentDecoder("CBOR", options, (...payload) => reader.rows(...payload));
}

const unsigned = 0;
const negative = 1;
const binary = 2;
const text = 3;
const array = 4;
const map = 5;
const tag = 6;

/** What ends a string, an array or a map whose length was not told. */
const stop = 0xff;
/** The low bits of a byte before such a one. */
const indefinite = 31;

/** Bytes of a bignum; larger ones are infinite as floats anyway. */
const bignumMax = 256;

class Reader extends ByteReader {
  readonly #keys = new KeyCache();

  rows(bytes: Uint8Array, start: number, end: number, columns: ReadonlySet<string> | "all"): Struct[] {
    this.begin(bytes, start, end);
    const rows = this.#document(columns);
    this.finish();
    return rows;
  }

  #document(columns: ReadonlySet<string> | "all"): Struct[] {
    this.#passTags();
    if (this.peek() >> 5 !== array) return [this.#row(columns, "the payload")];
    const rows: Struct[] = [];
    for (let left = this.#begin(this.u8() & 0x1f, 1); this.#goesOn(left, 1); left--) {
      rows.push(this.#row(columns, `item ${rows.length}`));
    }
    return rows;
  }

  /** As the one that says that what follows is CBOR. */
  #passTags(): void {
    while (this.peek() >> 5 === tag) this.#argument(this.u8() & 0x1f);
  }

  #row(columns: ReadonlySet<string> | "all", what: string): Struct {
    this.#passTags();
    const head = this.u8();
    if (head >> 5 !== map) {
      this.at--;
      this.fail(`${what} is no map, and only maps are rows`);
    }
    return this.#map(head & 0x1f, columns, 1);
  }

  #map(info: number, columns: ReadonlySet<string> | "all", depth: number): Struct {
    const struct: Struct = {};
    for (let left = this.#begin(info, 2); this.#goesOn(left, 2); left--) {
      const key = this.#key();
      if (columns === "all" || columns.has(key)) setOwn(struct, key, this.#value(depth));
      else this.#skip();
    }
    return struct;
  }

  /** How many items an array (`size` 1) or entries a map (`size` 2) has: without end where a break ends it. */
  #begin(info: number, size: 1 | 2): number {
    if (info === indefinite) return Infinity;
    const count = this.#argument(info);
    this.spendBytes(count * size);
    return count;
  }

  /** False when none are left, or the break stands here, which is then passed over. */
  #goesOn(left: number, size: 1 | 2): boolean {
    if (left !== Infinity) return left > 0;
    if (this.#stops()) return false;
    this.spendBytes(size);
    return true;
  }

  #key(): string {
    const head = this.u8();
    const info = head & 0x1f;
    switch (head >> 5) {
      case text: {
        if (info === indefinite) return this.#chunkedText();
        const size = this.#argument(info);
        const from = this.take(size);
        return this.#keys.keyAt(this.bytes, from, from + size);
      }
      case unsigned:
      case negative:
        this.at--;
        return String(this.#value(0));
      default:
        this.at--;
        this.fail("a key of a map is neither text nor a whole number");
    }
  }

  #value(depth: number): Value {
    const head = this.u8();
    const info = head & 0x1f;
    switch (head >> 5) {
      case unsigned:
        return info < 24 ? BigInt(info) : intOrFloat(this.#bigArgument(info));
      case negative:
        return intOrFloat(-1n - this.#bigArgument(info));
      case binary:
        return this.#binary(info);
      case text:
        return this.#text(info);
      case array: {
        const items: Value[] = [];
        const inner = this.deeper(depth);
        for (let left = this.#begin(info, 1); this.#goesOn(left, 1); left--) items.push(this.#value(inner));
        return items;
      }
      case map:
        return this.#map(info, "all", this.deeper(depth));
      case tag:
        return this.#tagged(this.#argument(info), this.deeper(depth));
      default:
        return this.#simple(info);
    }
  }

  #simple(info: number): Value {
    switch (info) {
      case 20:
        return false;
      case 21:
        return true;
      case 22:
      case 23:
        return null;
      case 25:
        return halfFloat(this.u16());
      case 26:
        return this.view.getFloat32(this.take(4));
      case 27:
        return this.view.getFloat64(this.take(8));
      default:
        this.at--;
        this.fail(info === indefinite ? "a break stands where nothing ends" : "a simple value without meaning");
    }
  }

  #binary(info: number): Uint8Array {
    if (info !== indefinite) return this.copy(this.#argument(info));
    const chunks = this.#chunks(binary);
    const all = new Uint8Array(chunks.reduce((sum, [from, to]) => sum + to - from, 0));
    let at = 0;
    for (const [from, to] of chunks) {
      all.set(this.bytes.subarray(from, to), at);
      at += to - from;
    }
    return all;
  }

  #text(info: number): string {
    if (info === indefinite) return this.#chunkedText();
    const size = this.#argument(info);
    const from = this.take(size);
    return textAt(this.bytes, from, from + size);
  }

  #chunkedText(): string {
    return this.#chunks(text).map(([from, to]) => textAt(this.bytes, from, to)).join("");
  }

  /** Where the chunks of a string of unknown length stand. */
  #chunks(major: number): [number, number][] {
    const chunks: [number, number][] = [];
    while (!this.#stops()) {
      const head = this.u8();
      if (head >> 5 !== major || (head & 0x1f) === indefinite) {
        this.at--;
        this.fail("a chunk of a string is no string of its kind");
      }
      this.spendBytes(1);
      const size = this.#argument(head & 0x1f);
      const from = this.take(size);
      chunks.push([from, from + size]);
    }
    return chunks;
  }

  #tagged(number: number, depth: number): Value {
    const from = this.at;
    const value = this.#value(depth);
    const bad = (what: string): never => {
      this.at = from;
      this.fail(`${what} is not valid: found ${nounOf(value)}`);
    };
    switch (number) {
      case 0:
        return dateTimeOf(typeof value === "string" ? Date.parse(value) : NaN) ?? bad("a date");
      case 1:
        if (typeof value !== "number" && typeof value !== "bigint") return bad("a date");
        return dateTimeOf(Math.round(Number(value) * 1000)) ?? bad("a date");
      case 2:
      case 3: {
        if (!(value instanceof Uint8Array) || value.length > bignumMax) return bad("a bignum");
        const magnitude = BigInt(`0x0${value.toHex()}`);
        return intOrFloat(number === 2 ? magnitude : -1n - magnitude);
      }
      case 4:
      case 5: {
        const [exponent, mantissa, ...more] = Array.isArray(value) ? value.map(numberOf) : [];
        if (exponent === undefined || mantissa === undefined || more.length > 0) return bad("a fraction");
        // As text, a decimal fraction is rounded once.
        return number === 4 ? Number(`${mantissa}e${exponent}`) : mantissa * 2 ** exponent;
      }
      default:
        return value;
    }
  }

  /** Passes over one value and all that is in it. */
  #skip(): void {
    const head = this.peek();
    const major = head >> 5;
    const info = head & 0x1f;
    // Most values are numbers and texts, which need no account of what is open.
    if (major > text && major < 7 || info === indefinite) return this.#skipNested();
    this.at++;
    if (major === 7) this.#simple(info);
    else if (major === binary || major === text) this.take(this.#argument(info));
    else this.#argument(info);
  }

  #skipNested(): void {
    /** How many are left outside of each array or map that a break ends; inside, there is no number. */
    const outer: number[] = [];
    let open = 1;
    while (true) {
      while (open === 0) {
        if (outer.length === 0) return;
        open = outer.pop()!;
      }
      if (open === Infinity && this.#stops()) {
        open = outer.pop()!;
        continue;
      }
      open--;
      const head = this.u8();
      const info = head & 0x1f;
      const major = head >> 5;
      if (info === indefinite && major >= binary && major <= map) {
        if (major <= text) this.#chunks(major);
        else {
          if (outer.length >= nestingMax) this.fail(`nested over ${nestingMax} levels deep`);
          outer.push(open);
          open = Infinity;
        }
      } else if (major === 7) this.#simple(info);
      else {
        const argument = this.#argument(info);
        if (major === binary || major === text) this.take(argument);
        else if (major === array) open += argument;
        else if (major === map) open += argument * 2;
        else if (major === tag) open++;
      }
    }
  }

  /** True when a break stands here, which is then passed over. */
  #stops(): boolean {
    if (this.peek() !== stop) return false;
    this.at++;
    return true;
  }

  /** The number in or behind the first byte; beyond 2^53 not exact. */
  #argument(info: number): number {
    if (info < 24) return info;
    switch (info) {
      case 24:
        return this.u8();
      case 25:
        return this.u16();
      case 26:
        return this.u32();
      case 27:
        return Number(this.view.getBigUint64(this.take(8)));
      default:
        this.at--;
        this.fail("the low bits of a byte are none that CBOR knows");
    }
  }

  #bigArgument(info: number): bigint {
    return info === 27 ? this.view.getBigUint64(this.take(8)) : BigInt(this.#argument(info));
  }
}

function dateTimeOf(ms: number): DateTime | undefined {
  return isTimestamp(ms) ? new DateTime(ms) : undefined;
}

function numberOf(value: Value): number | undefined {
  return typeof value === "bigint" || typeof value === "number" ? Number(value) : undefined;
}

/** A float of 16 bits: 1 of sign, 5 of exponent, 10 of fraction. */
function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = bits >> 10 & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
