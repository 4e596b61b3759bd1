/**
 * The greatest or smallest of several values, as `max`, `min`, `array_max` and `array_min` find it.
 *
 * The first non-null value decides whether numbers or strings are compared; a value of another kind is refused. One
 * float among the numbers makes the result a float.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { compareByteOrder } from "../../value/byte_order.ts";
import type { Value } from "../../value/value.ts";
import { describe } from "./arguments.ts";

export type Extremum = { best: bigint | number | string | null; float: boolean };

export function emptyExtremum(): Extremum {
  return { best: null, float: false };
}

/** @param sign 1 to look for the greatest value, -1 for the smallest. */
export function addToExtremum(state: Extremum, x: Value, sign: 1 | -1, functionName: string): void {
  if (x === null || x === undefined) return;
  const { best } = state;
  if (typeof x === "number" || typeof x === "bigint") {
    if (typeof best === "string") throw mixed(functionName, "strings", x);
    if (typeof x === "number") state.float = true;
    // Any number is better than NaN, which compares with none: else the result would depend on where it stands.
    if (best === null || (sign === 1 ? x > best : x < best) || Number.isNaN(best)) state.best = x;
  } else if (typeof x === "string") {
    if (best !== null && typeof best !== "string") throw mixed(functionName, "numbers", x);
    if (best === null || compareByteOrder(x, best) * sign > 0) state.best = x;
  } else {
    throw mixed(functionName, "numbers or strings", x);
  }
}

/** The better of both; neither is changed, and the result may be one of them. */
export function mergeExtrema(left: Extremum, right: Extremum, sign: 1 | -1, functionName: string): Extremum {
  if (right.best === null) return left;
  if (left.best === null) return right;
  const state = { best: left.best, float: left.float || right.float };
  addToExtremum(state, right.best, sign, functionName);
  return state;
}

function mixed(functionName: string, wanted: string, x: Value): RowError {
  return new RowError("E506", `${functionName}() needs ${wanted}, found ${describe(x)}`);
}

export function extremumValue({ best, float }: Extremum): Value {
  return float && typeof best === "bigint" ? Number(best) : best;
}
