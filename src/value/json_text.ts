/**
 * Values as JSON text, byte for byte as the dialect prints it: keys in byte order, `<`, `>` and `&` escaped, whole
 * floats without a point.
 *
 * `JSON.stringify` cannot do this (key order, escapes, bigint, -0), so the text is built here. Rows of one rule have the
 * same keys again and again: their sorted order and their escaped `"key":` texts are remembered.
 * @module
 */
import { RowError } from "../diagnostics/row_error.ts";
import { compareByteOrder } from "./byte_order.ts";
import { DateTime } from "./datetime.ts";
import type { Struct, Value } from "./value.ts";

/** The sorted form of one list of keys: for `keys[i]`, `first[i]` is `{"key":` and `next[i]` is `,"key":`. */
interface KeyOrder {
  readonly unsorted: readonly string[];
  readonly keys: readonly string[];
  readonly first: readonly string[];
  readonly next: readonly string[];
}

/** Orders remembered by one writer: a row, the structs nested in it, and a few variants of them. */
const ordersMax = 16;

/** Deeper nesting is refused instead of exhausting the stack. */
const depthMax = 1000;

/**
 * UTF-16 units of a text; a longer one is refused. What a row holds may be many times as long written out, since its parts
 * may be one and the same value.
 */
const textMax = 32 * 1024 * 1024;

/** Everything that cannot stand in a JSON string as it is; lone surrogates are among the surrogates. */
// deno-lint-ignore no-control-regex -- JSON forbids control characters inside strings.
const needsCare = /[\u0000-\u001f"\\<>&\u2028\u2029\ud800-\udfff]/;

// In a pattern with the flag u, a surrogate matches only where it stands alone.
// deno-lint-ignore no-control-regex -- as above.
const escaped = /[\u0000-\u001f"\\<>&\u2028\u2029]|\p{Surrogate}/gu;

const shortEscapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\b": "\\b",
  "\f": "\\f",
};

function escapeCharacter(character: string): string {
  const short = shortEscapes[character];
  if (short !== undefined) return short;
  const code = character.charCodeAt(0);
  return code >= 0xd800 && code <= 0xdfff ? "\\ufffd" : `\\u${code.toString(16).padStart(4, "0")}`;
}

/** `text` as a JSON string with its quotes. */
export function jsonString(text: string): string {
  return needsCare.test(text) ? `"${text.replace(escaped, escapeCharacter)}"` : `"${text}"`;
}

/** Writes JSON and remembers key orders; keep one for a sequence of similar values. */
export class JsonWriter {
  readonly #orders: KeyOrder[] = [];
  #nextSlot = 0;
  /** The order found last: most rows have the keys of the row before. */
  #last: KeyOrder | undefined;

  /**
   * `value` as JSON. Undefined columns are left out, an undefined list item is null.
   *
   * @throws {RowError} E508 naming the column, for NaN, the infinities, nesting without end and a text too long.
   */
  text(value: Value): string {
    return this.#value(value, "", 0);
  }

  /** A JSON array of rows. Throws as {@linkcode JsonWriter.text}. */
  rows(rows: readonly Struct[]): string {
    let text = "[";
    for (let i = 0; i < rows.length; i++) {
      text += i === 0 ? this.#struct(rows[i]!, 0) : "," + this.#struct(rows[i]!, 0);
      if (text.length > textMax) tooLong();
    }
    return text + "]";
  }

  #value(value: Value, column: string, depth: number): string {
    switch (typeof value) {
      case "string":
        return needsCare.test(value) ? jsonString(value) : `"${value}"`;
      case "number":
        if (value === 0) return 1 / value < 0 ? "-0" : "0";
        // JavaScript and Go agree on where the exponent starts: below 1e-6 and from 1e21 on.
        if (Number.isFinite(value)) return String(value);
        throw new RowError("E508", `Cannot encode ${value}${placeOf(column)} as JSON`);
      case "bigint":
        return String(value);
      case "boolean":
        return value ? "true" : "false";
      case "undefined":
        return "null";
    }
    if (value === null) return "null";
    if (depth >= depthMax) {
      throw new RowError("E508", `Cannot encode a value nested over ${depthMax} levels deep as JSON`);
    }
    if (Array.isArray(value)) {
      let text = "[";
      for (let i = 0; i < value.length; i++) {
        if (i > 0) text += ",";
        text += this.#value(value[i], column, depth + 1);
        if (text.length > textMax) tooLong();
      }
      return text + "]";
    }
    if (value instanceof Uint8Array) return `"${value.toBase64()}"`;
    if (value instanceof DateTime) return `"${value.toString()}"`;
    return this.#struct(value, depth + 1);
  }

  #struct(struct: Struct, depth: number): string {
    const { keys, first, next } = this.#orderOf(Object.keys(struct));
    let text = "";
    let lead = first;
    for (let i = 0; i < keys.length; i++) {
      const value = struct[keys[i]!];
      if (value === undefined) continue;
      // One template joins all three at once; two additions would make a string in between.
      text = `${text}${lead[i]!}${this.#value(value, keys[i]!, depth)}`;
      lead = next;
    }
    if (text.length > textMax) tooLong();
    return lead === first ? "{}" : text + "}";
  }

  #orderOf(unsorted: readonly string[]): KeyOrder {
    const last = this.#last;
    if (last !== undefined && sameKeys(last.unsorted, unsorted)) return last;
    return this.#last = this.#orders.find((order) => sameKeys(order.unsorted, unsorted)) ?? this.#addOrder(unsorted);
  }

  #addOrder(unsorted: readonly string[]): KeyOrder {
    const keys = unsorted.toSorted(compareByteOrder);
    const escapedKeys = keys.map(jsonString);
    const order = {
      unsorted,
      keys,
      first: escapedKeys.map((key) => `{${key}:`),
      next: escapedKeys.map((key) => `,${key}:`),
    };
    this.#orders[this.#nextSlot] = order;
    this.#nextSlot = (this.#nextSlot + 1) % ordersMax;
    return order;
  }
}

function sameKeys(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function tooLong(): never {
  throw new RowError("E508", `Cannot encode a value of over ${textMax} characters as JSON`);
}

function placeOf(column: string): string {
  return column === "" ? "" : ` in column ${JSON.stringify(column)}`;
}

/** One value as JSON; see {@linkcode JsonWriter.text}. */
export function jsonText(value: Value): string {
  return new JsonWriter().text(value);
}
