/**
 * `->`, `.`, `[ ]`: keys of maps, elements and slices of arrays.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { getOwn, isStruct, kindOf, type Value, type ValueArray } from "../../value/value.ts";
import type { Evaluator } from "./evaluator.ts";

/** A missing key is null, and so is a key of null, a string, a number or a boolean. A key of an array is an error. */
export function compileMember(base: Evaluator, key: string): Evaluator {
  return (row) => {
    const value = base(row);
    if (isStruct(value)) return getOwn(value, key);
    if (Array.isArray(value)) throw new RowError("E505", `Cannot take key "${key}" of an array: index it first`);
    return null;
  };
}

/** An index as a number: floats are truncated. */
function toIndex(value: Value): number {
  const index = typeof value === "bigint" ? Number(value) : typeof value === "number" ? Math.trunc(value) : NaN;
  if (Number.isNaN(index)) throw new RowError("E505", `An index must be an int, found ${kindOf(value)}`);
  return index;
}

function toArray(value: Value): ValueArray {
  if (Array.isArray(value)) return value;
  throw new RowError("E505", `Cannot index ${kindOf(value)}: only arrays have elements`);
}

export function compileIndex(base: Evaluator, index: Evaluator): Evaluator {
  return (row) => {
    const value = base(row);
    if (value === null || value === undefined) return null;
    const array = toArray(value);
    const wanted = toIndex(index(row));
    const position = wanted < 0 ? array.length + wanted : wanted;
    if (position < 0 || position >= array.length) {
      throw new RowError("E505", `Index ${wanted} is outside an array of ${array.length} elements`);
    }
    return array[position];
  };
}

/** From `from` up to, not including, `to`; negative counts from the end. */
export function compileSlice(base: Evaluator, from: Evaluator | undefined, to: Evaluator | undefined): Evaluator {
  return (row) => {
    const value = base(row);
    if (value === null || value === undefined) return null;
    const array = toArray(value);
    const fromEnd = (i: number) => (i < 0 ? array.length + i : i);
    const start = from === undefined ? 0 : fromEnd(toIndex(from(row)));
    const end = to === undefined ? array.length : fromEnd(toIndex(to(row)));
    const startAllowed = from === undefined || (start >= 0 && start < array.length);
    if (!startAllowed || end < 0 || end > array.length || start > end) {
      throw new RowError("E505", `Slice [${start}:${end}] is outside an array of ${array.length} elements`);
    }
    return array.slice(start, end);
  };
}
