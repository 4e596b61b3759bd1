/**
 * A running sum that stays an int as long as every number is one: the state of `sum` and half of that of `avg`.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { type Value, wrapInt } from "../../value/value.ts";
import { describe } from "./arguments.ts";

/** `ints` holds the sum while every value is an int; the first float moves it over to `floats`. */
export type NumberSum = { ints: bigint; floats: number; seen: "none" | "int" | "float" };

export function emptySum(): NumberSum {
  return { ints: 0n, floats: 0, seen: "none" };
}

/** Adds `x` and says whether it was a number; false for null. Throws E506 for anything else. */
export function addToSum(sum: NumberSum, x: Value, functionName: string): boolean {
  if (typeof x === "number") {
    sum.floats = (sum.seen === "int" ? Number(sum.ints) : sum.floats) + x;
    sum.seen = "float";
  } else if (typeof x === "bigint") {
    if (sum.seen === "float") sum.floats += Number(x);
    else {
      sum.ints = wrapInt(sum.ints + x);
      sum.seen = "int";
    }
  } else if (x === null || x === undefined) {
    return false;
  } else {
    throw new RowError("E506", `${functionName}() needs numbers, found ${describe(x)}`);
  }
  return true;
}

/** The sum of both, in `left`. */
export function mergeSums(left: NumberSum, right: NumberSum): void {
  if (right.seen === "none") return;
  if (left.seen !== "float" && right.seen === "int") {
    left.ints = wrapInt(left.ints + right.ints);
    left.seen = "int";
  } else {
    left.floats = floatSum(left) + floatSum(right);
    left.seen = "float";
  }
}

function floatSum(sum: NumberSum): number {
  return sum.seen === "float" ? sum.floats : Number(sum.ints);
}

/** An int, a float, or null when no number was added. */
export function sumValue(sum: NumberSum): bigint | number | null {
  return sum.seen === "none" ? null : sum.seen === "int" ? sum.ints : sum.floats;
}
