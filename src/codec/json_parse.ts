/**
 * A JSON parser for the two things `JSON.parse` cannot do on every engine: keep whole numbers beyond 2^53 exact, and
 * say where and why a text is not JSON. It is several times slower, so the decoder turns to it only when it has to.
 * @module
 */
import { intMax, intMin, setOwn, type Struct, type Value } from "../value/value.ts";

/** Deeper nesting is refused: it is never data, and recursive code over values would exhaust the stack. */
export const nestingMax = 256;

/** A text that is not JSON. `offset` counts UTF-16 units from 0. */
export class JsonSyntaxError extends SyntaxError {
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.name = "JsonSyntaxError";
    this.offset = offset;
  }
}

/**
 * What becomes of a number written without point and exponent: with `wide` a bigint if a float cannot hold it exactly;
 * with `int64` always a bigint, or a float beyond 64 bits. All other numbers are floats.
 */
export type WholeNumbers = "wide" | "int64";

/**
 * Parses a whole text. The last of several equal keys wins, and `__proto__` is a key like any other.
 *
 * @throws {JsonSyntaxError} when the text is not JSON or nested deeper than {@linkcode nestingMax}.
 */
export function parseJsonPrecisely(text: string, whole: WholeNumbers): Value {
  return new Parser(text, whole).document();
}

/**
 * `JSON.parse` for texts that people send: what nests deeper than {@linkcode nestingMax} is refused before it exhausts the
 * stack of whatever goes through the value later.
 *
 * @throws {SyntaxError} when the text is not JSON
 * @throws {JsonSyntaxError} when it nests too deep
 */
export function parseShallow(text: string): unknown {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) inString = !inString;
    else if (inString) {
      if (code === 0x5c) i++;
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > nestingMax) throw new JsonSyntaxError(`nested over ${nestingMax} levels deep`, i);
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
  return JSON.parse(text);
}

/** True when the brackets of a UTF-8 JSON text nest deeper than {@linkcode nestingMax}; a cheap scan, no parser. */
export function nestsTooDeep(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
  // Every level takes two bytes at least.
  if (end - start <= 2 * nestingMax || !mayNestTooDeep(bytes, start, end)) return false;
  let depth = 0;
  let inString = false;
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    if (byte === 0x22) inString = !inString;
    else if (inString) {
      if (byte === 0x5c) i++;
    } else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > nestingMax) return true;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return false;
}

/** The quick look that spares most payloads the slow one: are there enough opening brackets at all? */
function mayNestTooDeep(bytes: Uint8Array, start: number, end: number): boolean {
  let openings = 0;
  // Bit 5 is all that "[" and "{" differ in.
  for (let i = start; i < end; i++) if ((bytes[i]! | 0x20) === 0x7b && ++openings > nestingMax) return true;
  return false;
}

const numberPattern = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;

/** The end of a run of plain characters inside a string. */
// deno-lint-ignore no-control-regex -- control characters are what JSON forbids there.
const plainRun = /[^"\\\u0000-\u001f]*/y;

const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

class Parser {
  readonly #text: string;
  readonly #whole: WholeNumbers;
  #at = 0;
  #depth = 0;

  constructor(text: string, whole: WholeNumbers) {
    this.#text = text;
    this.#whole = whole;
  }

  document(): Value {
    const value = this.#value();
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#fail("the end");
    return value;
  }

  #value(): Value {
    this.#skipSpace();
    switch (this.#text[this.#at]) {
      case "{":
        return this.#nested(() => this.#object());
      case "[":
        return this.#nested(() => this.#array());
      case '"':
        return this.#string();
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      case "n":
        return this.#word("null", null);
      default:
        return this.#number();
    }
  }

  #nested<T>(parse: () => T): T {
    if (++this.#depth > nestingMax) {
      throw new JsonSyntaxError(`nested over ${nestingMax} levels deep`, this.#at);
    }
    this.#at++;
    const value = parse();
    this.#depth--;
    return value;
  }

  #object(): Struct {
    const struct: Struct = {};
    if (this.#take("}")) return struct;
    do {
      this.#skipSpace();
      if (this.#text[this.#at] !== '"') this.#fail("a key in quotes");
      const key = this.#string();
      if (!this.#take(":")) this.#fail('":"');
      setOwn(struct, key, this.#value());
    } while (this.#take(","));
    if (!this.#take("}")) this.#fail('"," or "}"');
    return struct;
  }

  #array(): Value[] {
    const items: Value[] = [];
    if (this.#take("]")) return items;
    do items.push(this.#value()); while (this.#take(","));
    if (!this.#take("]")) this.#fail('"," or "]"');
    return items;
  }

  #string(): string {
    const text = this.#text;
    let value = "";
    this.#at++;
    while (true) {
      const start = this.#at;
      plainRun.lastIndex = start;
      plainRun.test(text);
      this.#at = plainRun.lastIndex;
      value += text.slice(start, this.#at);
      const stop = text[this.#at];
      if (stop === '"') {
        this.#at++;
        return value;
      }
      if (stop !== "\\") this.#fail("the end of the string");
      value += this.#escape();
    }
  }

  #escape(): string {
    const character = this.#text[this.#at + 1] ?? "";
    if (character === "u") {
      const digits = this.#text.slice(this.#at + 2, this.#at + 6);
      if (!/^[\da-fA-F]{4}$/.test(digits)) this.#fail("an escape");
      this.#at += 6;
      return String.fromCharCode(parseInt(digits, 16));
    }
    const value = Object.hasOwn(escapes, character) ? escapes[character] : undefined;
    if (value === undefined) this.#fail("an escape");
    this.#at += 2;
    return value;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#fail("a value");
    this.#at += word.length;
    return value;
  }

  #number(): number | bigint {
    numberPattern.lastIndex = this.#at;
    const match = numberPattern.exec(this.#text);
    if (match === null) this.#fail("a value");
    this.#at = numberPattern.lastIndex;
    const digits = match[0];
    const value = Number(digits);
    if (match[1] !== undefined || match[2] !== undefined) {
      // Written as a float, `1e17` is still whole, and exact as it stands.
      return this.#whole === "wide" && isLongInt(value) ? BigInt(value) : value;
    }
    if (this.#whole === "wide") return Number.isSafeInteger(value) || digits.length > 20 ? value : BigInt(digits);
    if (Number.isSafeInteger(value)) return BigInt(value);
    // Longer texts cannot be 64 bits, and BigInt() of a megabyte of digits would take long.
    const int = digits.length > 20 ? intMax + 1n : BigInt(digits);
    return int < intMin || int > intMax ? value : int;
  }

  #skipSpace(): void {
    while (true) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }

  #take(character: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #fail(wanted: string): never {
    const point = this.#text.codePointAt(this.#at);
    const found = point === undefined ? "the end" : JSON.stringify(String.fromCodePoint(point));
    throw new JsonSyntaxError(`found ${found}, wanted ${wanted}`, this.#at);
  }
}

/** True for a whole number that fits 64 bits but not the safe integers. */
function isLongInt(value: number): boolean {
  return Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) <= 2 ** 63;
}
