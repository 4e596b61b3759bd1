/**
 * Deep equality of values as the analytic functions (`had_changed`, `changed_col`, …) mean it.
 * @module
 */
import { DateTime } from "./datetime.ts";
import type { Struct, Value } from "./value.ts";

/**
 * Deep and strict about types: the int 1 and the float 1 differ, and so do a NaN and any NaN. A missing column equals
 * null on its own; inside a struct, a key that is absent differs from one that holds null. Datetimes are equal when
 * both instant and zone are.
 */
export function valuesEqual(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object") return (a ?? null) === (b ?? null);
  if (a === null || b === null) return false;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => valuesEqual(item, b[i]));
  }
  if (Array.isArray(b)) return false;
  if (a instanceof Uint8Array) return b instanceof Uint8Array && bytesEqual(a, b);
  if (b instanceof Uint8Array) return false;
  if (a instanceof DateTime) return b instanceof DateTime && a.ms === b.ms && a.zone === b.zone;
  return !(b instanceof DateTime) && structsEqual(a, b);
}

function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function structsEqual(a: Struct, b: Struct): boolean {
  let columns = 0;
  for (const key of Object.keys(a)) {
    const left = a[key];
    if (left === undefined) continue;
    if (!Object.hasOwn(b, key)) return false;
    const right = b[key];
    if (right === undefined || !valuesEqual(left, right)) return false;
    columns++;
  }
  for (const key of Object.keys(b)) if (b[key] !== undefined) columns--;
  return columns === 0;
}
