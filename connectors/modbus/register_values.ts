/**
 * What the words of a device mean: 16-bit registers to values and back, for every type and order.
 *
 * @example
 * ```ts
 * const format = { type: "float32", byteOrder: "big", wordOrder: "little" } as const;
 * decodeWords([0x0000, 0x41ac], format); // 21.5
 * encodeWords(21.5, format); // [0x0000, 0x41ac]
 * ```
 * @module
 */
import { show } from "../../src/connector/lenient_value.ts";
import { intMax, intMin, type Value } from "../../src/value/value.ts";

/** `big`: the more significant part comes first, as the protocol has it. */
export type Order = "big" | "little";

export type IntegerType = "int16" | "int32" | "int64" | "uint16" | "uint32" | "uint64" | "bcd16" | "bcd32";
export type FloatType = "float32" | "float64";

/** How some registers hold one value. */
export type WordFormat =
  /** False for 0, true for anything else. */
  | { readonly type: "bool"; readonly byteOrder: Order }
  /** One bit of a register; 0 is the least significant one. */
  | { readonly type: "bit"; readonly bit: number; readonly byteOrder: Order }
  | { readonly type: IntegerType | FloatType; readonly byteOrder: Order; readonly wordOrder: Order }
  /** UTF-8 in `length` bytes, filled up with NUL. */
  | { readonly type: "string"; readonly length: number; readonly byteOrder: Order };

/** Words that hold no value of their format, or a value that the format cannot hold. The message is the reason. */
export class BadValue extends Error {
  constructor(message: string) {
    super(message);
    this.name = "BadValue";
  }
}

const BITS: Readonly<Record<IntegerType | FloatType, 16 | 32 | 64>> = {
  int16: 16,
  uint16: 16,
  bcd16: 16,
  int32: 32,
  uint32: 32,
  bcd32: 32,
  float32: 32,
  int64: 64,
  uint64: 64,
  float64: 64,
};

/** The smallest and the largest value of a type of whole numbers. */
const RANGES: Readonly<Record<IntegerType, readonly [min: bigint, max: bigint]>> = {
  int16: [-0x8000n, 0x7fffn],
  uint16: [0n, 0xffffn],
  bcd16: [0n, 9999n],
  int32: [-0x8000_0000n, 0x7fff_ffffn],
  uint32: [0n, 0xffff_ffffn],
  bcd32: [0n, 99_999_999n],
  int64: [intMin, intMax],
  uint64: [0n, 0xffff_ffff_ffff_ffffn],
};

/** How many registers a value takes. */
export function wordsOf(format: WordFormat): number {
  switch (format.type) {
    case "bool":
    case "bit":
      return 1;
    case "string":
      return Math.ceil(format.length / 2);
    default:
      return BITS[format.type] / 16;
  }
}

export function isInteger(type: WordFormat["type"]): type is IntegerType {
  return type in RANGES;
}

/**
 * Takes the value out of the words from `at` on. Whole numbers are numbers where 32 bits hold them, else bigints.
 *
 * @throws {BadValue} NaN, an infinity, a BCD digit above 9, or bytes that are no UTF-8.
 */
export type WordDecoder = (words: ArrayLike<number>, at: number) => boolean | bigint | number | string;

/** Makes the decoder of a format, for words that come again and again. */
export function wordDecoder(format: WordFormat): WordDecoder {
  switch (format.type) {
    case "bool":
      return (words, at) => words[at] !== 0;
    case "bit": {
      const { bit, byteOrder } = format;
      return (words, at) => (ordered(words[at]!, byteOrder) >> bit & 1) === 1;
    }
    case "string": {
      const { length, byteOrder } = format;
      const count = wordsOf(format);
      return (words, at) => {
        load(words, at, count, byteOrder, "big");
        return decodeText(length);
      };
    }
    case "int16":
      return format.byteOrder === "big"
        ? (words, at) => words[at]! << 16 >> 16
        : (words, at) => ordered(words[at]!, "little") << 16 >> 16;
    case "uint16":
      return format.byteOrder === "big" ? (words, at) => words[at]! : (words, at) => ordered(words[at]!, "little");
    default: {
      const { type, byteOrder, wordOrder } = format;
      const count = wordsOf(format);
      const read = loadedReaders[type];
      return (words, at) => {
        load(words, at, count, byteOrder, wordOrder);
        return read();
      };
    }
  }
}

/**
 * The value of the words from `at` on. Whole numbers are bigints, also those beyond the range of a bigint column. A
 * float32 becomes the shortest number that is the same float32: 21.3, not 21.299999237060547.
 *
 * @throws {BadValue} as a {@linkcode WordDecoder}
 */
export function decodeWords(words: ArrayLike<number>, format: WordFormat, at = 0): Exclude<Value, undefined | null> {
  const value = wordDecoder(format)(words, at);
  return typeof value === "number" && isInteger(format.type) ? BigInt(value) : value;
}

/** The bytes of the value that is being decoded, the most significant first; long enough for any string. */
const loaded = new DataView(new ArrayBuffer(256));
const loadedBytes = new Uint8Array(loaded.buffer);

function load(words: ArrayLike<number>, at: number, count: number, bytes: Order, order: Order): void {
  for (let i = 0; i < count; i++) {
    loaded.setUint16(i * 2, words[at + (order === "big" ? i : count - 1 - i)]!, bytes === "little");
  }
}

const loadedReaders: Readonly<
  Record<Exclude<IntegerType | FloatType, "int16" | "uint16">, () => bigint | number>
> = {
  int32: () => loaded.getInt32(0),
  uint32: () => loaded.getUint32(0),
  int64: () => loaded.getBigInt64(0),
  uint64: () => loaded.getBigUint64(0),
  bcd16: () => decodeBcd("bcd16"),
  bcd32: () => decodeBcd("bcd32"),
  float32: () => shortestFloat32(finite(loaded.getFloat32(0), "float32")),
  float64: () => finite(loaded.getFloat64(0), "float64"),
};

function finite(value: number, type: FloatType): number {
  if (!Number.isFinite(value)) throw new BadValue(`the ${type} is ${value}`);
  return value;
}

/** Up to here, a float32 has every whole number. */
const float32WholeMax = 2 ** 24;

/** Nine digits tell every float32 from every other; most need fewer, and few of those of a device have many decimals. */
function shortestFloat32(value: number): number {
  const size = Math.abs(value);
  if (size <= float32WholeMax) {
    for (let power = 1; power <= 10_000; power *= 10) {
      const short = Math.sign(value) * Math.round(size * power) / power;
      if (Math.fround(short) === value) return short;
    }
  }
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}

function decodeBcd(type: "bcd16" | "bcd32"): number {
  let value = 0;
  for (let i = 0; i < BITS[type] / 8; i++) {
    const byte = loadedBytes[i]!;
    const [high, low] = [byte >> 4, byte & 15];
    if (high > 9 || low > 9) throw new BadValue(`the ${type} has the digit ${Math.max(high, low)}`);
    value = value * 100 + high * 10 + low;
  }
  return value;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeText(length: number): string {
  const bytes = loadedBytes.subarray(0, length);
  const end = bytes.indexOf(0);
  try {
    return utf8.decode(end === -1 ? bytes : bytes.subarray(0, end));
  } catch {
    throw new BadValue("the string is not UTF-8");
  }
}

/**
 * The words that hold `value`. An int fits a float type and a float without fraction an integer type.
 *
 * @throws {BadValue} for a value that `format` cannot hold. A single bit has no words of its own: see
 * {@linkcode withBit}.
 */
export function encodeWords(value: Value, format: Exclude<WordFormat, { readonly type: "bit" }>): number[] {
  switch (format.type) {
    case "bool":
      return [ordered(encodeFlag(value) ? 1 : 0, format.byteOrder)];
    case "string":
      return wordsOfView(encodeText(value, format.length), format.byteOrder, "big");
    default:
      return wordsOfView(encodeNumber(value, format.type), format.byteOrder, format.wordOrder);
  }
}

/** `word` with one bit set or cleared. */
export function withBit(word: number, on: boolean, { bit, byteOrder }: { bit: number; byteOrder: Order }): number {
  const plain = ordered(word, byteOrder);
  return ordered(on ? plain | 1 << bit : plain & ~(1 << bit), byteOrder);
}

/**
 * Reads a value as on or off: a boolean, or the numbers 0 and 1.
 *
 * @throws {BadValue} for anything else
 */
export function encodeFlag(value: Value): boolean {
  if (typeof value === "boolean") return value;
  if (value === 0n || value === 0) return false;
  if (value === 1n || value === 1) return true;
  throw cannotWrite(value, "a bool", "true, false, 0 or 1");
}

function encodeNumber(value: Value, type: IntegerType | FloatType): DataView {
  const view = new DataView(new ArrayBuffer(BITS[type] / 8));
  switch (type) {
    case "float32":
    case "float64":
      encodeFloat(view, value, type);
      return view;
    case "bcd16":
    case "bcd32": {
      let rest = encodeWhole(value, type);
      for (let i = view.byteLength - 1; i >= 0; i--, rest /= 100n) {
        view.setUint8(i, Number(rest / 10n % 10n) << 4 | Number(rest % 10n));
      }
      return view;
    }
    default: {
      const whole = encodeWhole(value, type);
      const bits = BITS[type];
      // Both signs have the same bits.
      if (bits === 64) view.setBigUint64(0, BigInt.asUintN(64, whole));
      else if (bits === 32) view.setUint32(0, Number(BigInt.asUintN(32, whole)));
      else view.setUint16(0, Number(BigInt.asUintN(16, whole)));
      return view;
    }
  }
}

function encodeFloat(view: DataView, value: Value, type: FloatType): void {
  const number = typeof value === "bigint" ? Number(value) : value;
  const fits = typeof number === "number" && Number.isFinite(type === "float32" ? Math.fround(number) : number);
  if (!fits) throw cannotWrite(value, `a ${type}`, "a number in its range");
  if (type === "float32") view.setFloat32(0, number);
  else view.setFloat64(0, number);
}

function encodeWhole(value: Value, type: IntegerType): bigint {
  const [min, max] = RANGES[type];
  const whole = typeof value === "number" && Number.isInteger(value) ? BigInt(value) : value;
  if (typeof whole !== "bigint" || whole < min || whole > max) {
    throw cannotWrite(value, `${type.startsWith("int") ? "an" : "a"} ${type}`, `a whole number from ${min} to ${max}`);
  }
  return whole;
}

function encodeText(value: Value, length: number): DataView {
  if (typeof value !== "string" || value.includes("\0") || !value.isWellFormed()) {
    throw cannotWrite(value, "a string", "a text without NUL");
  }
  const bytes = new TextEncoder().encode(value);
  if (bytes.length > length) {
    throw cannotWrite(value, "a string", `at most ${length} bytes, and it has ${bytes.length}`);
  }
  const view = new DataView(new ArrayBuffer(Math.ceil(length / 2) * 2));
  new Uint8Array(view.buffer).set(bytes);
  return view;
}

function cannotWrite(value: Value, as: string, wanted: string): BadValue {
  const shown = typeof value === "bigint" ? String(value) : typeof value === "number" ? String(value) : show(value);
  return new BadValue(`Cannot write ${shown} as ${as}: wanted ${wanted}`);
}

function ordered(word: number, order: Order): number {
  return order === "big" ? word : (word & 0xff) << 8 | word >> 8;
}

function wordsOfView(view: DataView, bytes: Order, order: Order): number[] {
  const words = Array.from({ length: view.byteLength / 2 }, (_, i) => ordered(view.getUint16(i * 2), bytes));
  return order === "big" ? words : words.reverse();
}
