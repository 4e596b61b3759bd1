/**
 * The largest text or array that functions build from a count, so that one row cannot use up the memory.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { DateTime } from "../../value/datetime.ts";
import type { Value } from "../../value/value.ts";

/** UTF-16 units of a text, or elements of an array. */
const sizeMax = 1_000_000;

/** UTF-16 units of a text that is made of other texts. */
const textMax = 16_000_000;

/** Throws E506 when a result of `size` characters or elements would be negative or too large. */
export function checkSize(functionName: string, size: number): void {
  if (size < 0 || size > sizeMax) {
    throw new RowError("E506", `${functionName}() would give a result of size ${size}; 0 to ${sizeMax} are allowed`);
  }
}

/**
 * Throws E506 when a text made of others, of `length` UTF-16 units, is too long. Aliases can double a text again and again,
 * so that a short statement would make one of gigabytes.
 */
export function checkText(functionName: string, length: number): void {
  if (length > textMax) {
    throw new RowError("E506", `${functionName}() would give a text of ${length} characters; ${textMax} are allowed`);
  }
}

/** How many characters and elements there are in `value`, counted up to a little more than the largest size. */
export function extentOf(value: Value): number {
  if (typeof value === "string") return Math.max(1, value.length);
  if (typeof value !== "object" || value === null || value instanceof DateTime) return 1;
  if (value instanceof Uint8Array) return value.length;
  let extent = 1;
  for (const part of Array.isArray(value) ? value : Object.values(value)) {
    extent += extentOf(part);
    if (extent > sizeMax) break;
  }
  return extent;
}
