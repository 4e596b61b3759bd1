/**
 * What makes two elements of arrays the same: their value, whatever kind of number it is held in.
 * @module
 */
import { compareByteOrder } from "../../value/byte_order.ts";
import { DateTime } from "../../value/datetime.ts";
import type { Value } from "../../value/value.ts";

/** A key for `Map` and `Set`. */
export type ElementKey = string | number | bigint | boolean | null;

/** Marks keys that are not texts; a text that begins with it gets another one in front. */
const mark = "\u0000";

/**
 * Equal for values that count as the same element: the int 1 and the float 1.0 do, and so do arrays and maps with the
 * same content.
 */
export function elementKey(value: Value): ElementKey {
  switch (typeof value) {
    case "string":
      return value.startsWith(mark) ? mark + value : value;
    case "number":
      // Whole numbers out of the safe range meet as bigint, all others as number.
      return Number.isInteger(value) && !Number.isSafeInteger(value) ? BigInt(value) : value;
    case "bigint": {
      const number = Number(value);
      return Number.isSafeInteger(number) ? number : value;
    }
    case "boolean":
      return value;
    default:
      return value === null || value === undefined ? null : `${mark}o${structureKey(value)}`;
  }
}

/** Text that is equal for equal structures and says of each part what it is. */
function structureKey(value: Value): string {
  if (Array.isArray(value)) return `[${value.map(partKey).join(",")}]`;
  if (value instanceof Uint8Array) return `b${value.toBase64()}`;
  if (value instanceof DateTime) return `t${value.ms}`;
  const entries = Object.entries(value as Record<string, Value>).filter(([, part]) => part !== undefined);
  entries.sort(([a], [b]) => compareByteOrder(a, b));
  return `{${entries.map(([key, part]) => `${JSON.stringify(key)}:${partKey(part)}`).join(",")}}`;
}

function partKey(part: Value): string {
  const key = elementKey(part);
  if (typeof key === "string") return key.startsWith(`${mark}o`) ? key.slice(2) : JSON.stringify(key);
  return String(key);
}
