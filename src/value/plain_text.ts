/**
 * The plain text form of values: what `concat`, hashing, grouping keys and a number in a text column make of them.
 * @module
 */
import { compareByteOrder } from "./byte_order.ts";
import { DateTime } from "./datetime.ts";
import { floatText } from "./float_text.ts";
import type { Struct, Value } from "./value.ts";
import { offsetText, zoneAbbreviation } from "./zone_abbreviation.ts";

/**
 * `value` as text. A null on its own is the empty text, as a whole function argument is; {@linkcode nestedText} has the
 * form of keys and nested values.
 *
 * @example
 * ```ts
 * plainText(1234567); // "1.234567e+06"
 * plainText([1n, null, { b: true, a: "x" }]); // "[1 <nil> map[a:x b:true]]"
 * ```
 */
export function plainText(value: Value): string {
  return value === null || value === undefined ? "" : nestedText(value);
}

/** As {@linkcode plainText}, with `<nil>` for null: inside a grouping key, a list or a map. */
export function nestedText(value: Value): string {
  switch (typeof value) {
    case "string":
      return value;
    case "number":
      return plainFloat(value);
    case "bigint":
    case "boolean":
      return String(value);
    case "undefined":
      return "<nil>";
  }
  if (value === null) return "<nil>";
  if (Array.isArray(value)) return `[${value.map(nestedText).join(" ")}]`;
  // Go prints a list of bytes as a list of numbers.
  if (value instanceof Uint8Array) return `[${value.join(" ")}]`;
  if (value instanceof DateTime) return plainDateTime(value);
  return `map[${structParts(value).join(" ")}]`;
}

function structParts(struct: Struct): string[] {
  const keys = Object.keys(struct).filter((key) => struct[key] !== undefined).sort(compareByteOrder);
  return keys.map((key) => `${key}:${nestedText(struct[key])}`);
}

/** The fewest digits, in exponent form (`1e-05`, `1.234567e+06`) below 1e-4 and from 1e6 on. */
export function plainFloat(value: number): string {
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-4 && size < 1e6) || !Number.isFinite(value)) return floatText(value);
  const text = value.toExponential();
  // Go pads the exponent to two digits.
  return text.charCodeAt(text.length - 2) < 0x30 ? `${text.slice(0, -1)}0${text.slice(-1)}` : text;
}

/** `2026-01-02 03:04:05.5 +0100 CET`. */
export function plainDateTime(value: DateTime): string {
  const offset = value.offsetMinutes;
  const local = new Date(value.ms + offset * 60_000).toISOString();
  const text = local.slice(0, -1).replace("T", " ").replace(/0{1,3}$/, "").replace(/\.$/, "");
  return `${text} ${offsetText(offset)} ${zoneAbbreviation(value.zone, value.ms)}`;
}
