/**
 * Values of key columns as something a Map can find: equal exactly where the dialect's `=` is true.
 * @module
 */
import { DateTime } from "../value/datetime.ts";
import type { Value } from "../value/value.ts";

/** What stands for one or several values in a Map. */
export type LookupKey = string | number | bigint | boolean;

/**
 * Two lists of values have the same key when `=` holds for each pair: the int 1 and the float 1 are equal, the text "1"
 * is another. Undefined when a value equals nothing, not even itself: null, NaN, and what `=` cannot compare.
 */
export function lookupKey(values: readonly Value[]): LookupKey | undefined {
  if (values.length === 1) return keyOf(values[0]);
  let all = "";
  for (const value of values) {
    const key = keyOf(value);
    if (key === undefined) return undefined;
    // The kind and the length keep apart what would run into one another.
    const text = String(key);
    all += `${typeof value === "string" ? "s" : typeof key === "boolean" ? "b" : "n"}${text.length}:${text}`;
  }
  return all;
}

/** The key of a single value. */
export function keyOf(value: Value): LookupKey | undefined {
  switch (typeof value) {
    case "string":
      return value;
    case "boolean":
      return value;
    case "number":
      if (Number.isNaN(value)) return undefined;
      // A float beyond 2^53 may equal an int, which no float stands for: both are named by the int.
      return Number.isSafeInteger(value) || !Number.isInteger(value) ? value : BigInt(value);
    case "bigint": {
      const float = Number(value);
      return Number.isSafeInteger(float) ? float : value;
    }
    default:
      // A datetime equals the number of its milliseconds.
      return value instanceof DateTime ? value.ms : undefined;
  }
}
