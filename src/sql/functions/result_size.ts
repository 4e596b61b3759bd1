/**
 * The largest text or array that functions build from a count, so that one row cannot use up the memory.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";

/** UTF-16 units of a text, or elements of an array. */
const sizeMax = 1_000_000;

/** Throws E506 when a result of `size` characters or elements would be negative or too large. */
export function checkSize(functionName: string, size: number): void {
  if (size < 0 || size > sizeMax) {
    throw new RowError("E506", `${functionName}() would give a result of size ${size}; 0 to ${sizeMax} are allowed`);
  }
}
