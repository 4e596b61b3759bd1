/**
 * A running sum that stays an int as long as every number is one: the state of `sum` and half of that of `avg`.
 *
 * Floats are summed without any rounding (Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997: the sum is
 * kept as several floats that do not overlap) and rounded once, when the result is asked for. So the sum of a window
 * depends on the rows in it alone: neither on their order, nor on how the window was cut into panes. Only beyond the
 * range of floats, where the sum is infinite, does the order matter.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { type Value, wrapInt } from "../../value/value.ts";
import { describe } from "./arguments.ts";

/**
 * `ints` is the sum of all ints, not wrapped; `floats` that of the finite floats, smallest part first; `infinite` that
 * of infinities and NaN. `seen` is `float` from the first float on.
 */
export type NumberSum = { ints: bigint; floats: number[]; infinite: number; seen: "none" | "int" | "float" };

export function emptySum(): NumberSum {
  return { ints: 0n, floats: [], infinite: 0, seen: "none" };
}

/** Adds `x` and says whether it was a number; false for null. Throws E506 for anything else. */
export function addToSum(sum: NumberSum, x: Value, functionName: string): boolean {
  if (typeof x === "number") {
    sum.seen = "float";
    addFloat(sum, x);
  } else if (typeof x === "bigint") {
    sum.ints += x;
    if (sum.seen === "none") sum.seen = "int";
  } else if (x === null || x === undefined) {
    return false;
  } else {
    throw new RowError("E506", `${functionName}() needs numbers, found ${describe(x)}`);
  }
  return true;
}

function addFloat(sum: NumberSum, x: number): void {
  const total = addExactly(sum.floats, x);
  if (Number.isFinite(total)) return;
  sum.infinite += total;
  sum.floats = [];
}

/** Adds `x` to the parts of a sum, keeping every bit; returns the largest part, which is not finite on overflow. */
function addExactly(parts: number[], x: number): number {
  let kept = 0;
  for (let i = 0; i < parts.length; i++) {
    const y = parts[i]!;
    const sum = x + y;
    // What the addition has rounded away (Knuth's TwoSum).
    const back = sum - x;
    const lost = (x - (sum - back)) + (y - back);
    if (lost !== 0) parts[kept++] = lost;
    x = sum;
  }
  if (kept + 1 < parts.length) parts.length = kept + 1;
  parts[kept] = x;
  return x;
}

/** The parts as the float that is nearest to their sum. */
function rounded(parts: readonly number[]): number {
  let i = parts.length - 1;
  if (i < 0) return 0;
  let high = parts[i]!;
  let low = 0;
  while (i > 0 && low === 0) {
    const y = parts[--i]!;
    const sum = high + y;
    low = y - (sum - high);
    high = sum;
  }
  // Half-way cases are decided by what lies below: it may say that the half was rounded the wrong way.
  if (i > 0 && ((low < 0 && parts[i - 1]! < 0) || (low > 0 && parts[i - 1]! > 0))) {
    const twice = low * 2;
    const other = high + twice;
    if (twice === other - high) high = other;
  }
  // A sum of negative zeros is zero, as one that starts from zero.
  return high + 0;
}

/** The sum of both; neither is changed, and the result may be one of them. */
export function mergeSums(left: NumberSum, right: NumberSum): NumberSum {
  if (right.seen === "none") return left;
  if (left.seen === "none") return right;
  const sum: NumberSum = {
    // A sum of bigints is a new object, also that of zeros.
    ints: right.ints === 0n ? left.ints : left.ints + right.ints,
    floats: left.floats.slice(),
    infinite: left.infinite + right.infinite,
    seen: left.seen === "int" ? right.seen : "float",
  };
  for (let i = 0; i < right.floats.length; i++) addFloat(sum, right.floats[i]!);
  return sum;
}

/** An int, a float, or null when no number was added. Ints wrap at 64 bits. */
export function sumValue(sum: NumberSum): bigint | number | null {
  if (sum.seen === "none") return null;
  if (sum.seen === "int") return wrapInt(sum.ints);
  if (sum.infinite !== 0) return sum.infinite;
  if (sum.ints === 0n) return rounded(sum.floats);
  const parts = sum.floats.slice();
  // An int of more than 53 bits is two floats or more.
  for (let rest = sum.ints; rest !== 0n;) {
    const part = Number(rest);
    addExactly(parts, part);
    rest -= BigInt(part);
  }
  return rounded(parts);
}
