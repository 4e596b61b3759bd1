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
 * `count` numbers were added. `ints` is the sum of all ints, not wrapped; `infinite` that of infinities and NaN. That of
 * the finite floats is `high` + `low` + `rest`: two parts nearly always say all, so that these stand for themselves;
 * `rest` has smaller ones, smallest first. `seen` is `float` from the first float on.
 */
export type NumberSum = {
  count: number;
  ints: bigint;
  high: number;
  low: number;
  /** Never changed, only replaced. */
  rest: number[] | null;
  infinite: number;
  seen: "none" | "int" | "float";
};

export function emptySum(): NumberSum {
  return { count: 0, ints: 0n, high: 0, low: 0, rest: null, infinite: 0, seen: "none" };
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
  sum.count++;
  return true;
}

function addFloat(sum: NumberSum, x: number): void {
  if (sum.rest === null) {
    // `addExactly` for two parts, of which two are left.
    const { high, low } = sum;
    const first = x + low;
    const firstBack = first - x;
    const firstLost = (x - (first - firstBack)) + (low - firstBack);
    const second = first + high;
    const secondBack = second - first;
    const secondLost = (first - (second - secondBack)) + (high - secondBack);
    if ((firstLost === 0 || secondLost === 0) && Number.isFinite(second)) {
      sum.high = second;
      sum.low = firstLost + secondLost;
      return;
    }
  }
  const parts = partsOf(sum);
  const largest = addExactly(parts, x);
  if (!Number.isFinite(largest)) {
    sum.infinite += largest;
    parts.length = 0;
  }
  sum.high = parts.pop() ?? 0;
  sum.low = parts.pop() ?? 0;
  sum.rest = parts.length === 0 ? null : parts;
}

function partsOf({ high, low, rest }: NumberSum): number[] {
  return rest === null ? [low, high] : [...rest, low, high];
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
    count: left.count + right.count,
    // A sum of bigints is a new object, also that of zeros.
    ints: right.ints === 0n ? left.ints : left.ints + right.ints,
    high: left.high,
    low: left.low,
    rest: left.rest,
    infinite: left.infinite + right.infinite,
    seen: left.seen === "int" ? right.seen : "float",
  };
  if (right.rest !== null) { for (const part of right.rest) addFloat(sum, part); }
  if (right.low !== 0) addFloat(sum, right.low);
  addFloat(sum, right.high);
  return sum;
}

/** An int, a float, or null when no number was added. Ints wrap at 64 bits. */
export function sumValue(sum: NumberSum): bigint | number | null {
  if (sum.seen === "none") return null;
  if (sum.seen === "int") return wrapInt(sum.ints);
  if (sum.infinite !== 0) return sum.infinite;
  // One addition rounds once. A sum of negative zeros is zero, as one that starts from zero.
  if (sum.ints === 0n && sum.rest === null) return sum.high + sum.low + 0;
  const parts = partsOf(sum);
  // An int of more than 53 bits is two floats or more.
  for (let rest = sum.ints; rest !== 0n;) {
    const part = Number(rest);
    addExactly(parts, part);
    rest -= BigInt(part);
  }
  return rounded(parts);
}
