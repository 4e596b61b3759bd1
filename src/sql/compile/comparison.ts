/**
 * `=`, `<` and their kin: closures chosen by what is known of the operands.
 *
 * Comparison with null is false. Numbers compare across int and float, strings by bytes, a datetime on the left takes
 * Unix milliseconds and parsable text on the right. Any other pair is a row error.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { compareByteOrder } from "../../value/byte_order.ts";
import { DateTime } from "../../value/datetime.ts";
import { kindOf, type Value } from "../../value/value.ts";
import { toTime } from "../functions/arguments.ts";
import type { CompileContext, Evaluator } from "./evaluator.ts";

export type ComparisonOperator = "=" | "!=" | "<" | "<=" | ">" | ">=";

function mismatch(operator: string, left: Value, right: Value): never {
  throw new RowError("E502", `Cannot compare ${kindOf(left)} ${operator} ${kindOf(right)}`);
}

/** Negative, zero or positive; NaN when the two are not ordered (a NaN, or two unequal booleans). */
function order(operator: string, left: Value, right: Value, context: CompileContext): number {
  if (isNumber(left) && isNumber(right)) return left < right ? -1 : left > right ? 1 : left == right ? 0 : NaN;
  if (typeof left === "string" && typeof right === "string") return compareByteOrder(left, right);
  if (left instanceof DateTime) {
    const time = toTime(right, context.rule);
    return time === undefined ? mismatch(operator, left, right) : left.ms - time.ms;
  }
  if (typeof left === "boolean" && typeof right === "boolean" && (operator === "=" || operator === "!=")) {
    return left === right ? 0 : NaN;
  }
  return mismatch(operator, left, right);
}

function isNumber(value: Value): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

function isNull(value: Value): value is null | undefined {
  return value === null || value === undefined;
}

/** The general case: null on either side is false. */
export function compare(operator: ComparisonOperator, left: Value, right: Value, context: CompileContext): boolean {
  if (isNull(left) || isNull(right)) return false;
  const o = order(operator, left, right, context);
  switch (operator) {
    case "=":
      return o === 0;
    case "!=":
      return o !== 0;
    case "<":
      return o < 0;
    case "<=":
      return o <= 0;
    case ">":
      return o > 0;
    case ">=":
      return o >= 0;
    default:
      return operator satisfies never;
  }
}

/** One closure per operator for two floats, the rest through {@linkcode compare}. */
export function compileComparison(
  operator: ComparisonOperator,
  left: Evaluator,
  right: Evaluator,
  context: CompileContext,
): Evaluator {
  const general = (l: Value, r: Value) => compare(operator, l, r, context);
  const onFloats = floatComparisons[operator];
  return (row) => {
    const l = left(row);
    const r = right(row);
    return typeof l === "number" && typeof r === "number" ? onFloats(l, r) : general(l, r);
  };
}

const floatComparisons: Readonly<Record<ComparisonOperator, (l: number, r: number) => boolean>> = {
  "=": (l, r) => l === r,
  "!=": (l, r) => l !== r,
  "<": (l, r) => l < r,
  "<=": (l, r) => l <= r,
  ">": (l, r) => l > r,
  ">=": (l, r) => l >= r,
};

/**
 * `operand OP number`, the commonest condition of all. The constant is turned into a float once; that is exact for
 * ints up to 2^53, larger ones take the general path.
 */
export function compileComparisonWithNumber(
  operator: ComparisonOperator,
  operand: Evaluator,
  constant: number | bigint,
  context: CompileContext,
): Evaluator {
  const c = Number(constant);
  const general = (l: Value) => compare(operator, l, constant, context);
  if (!isExactFloat(constant)) return (row) => general(operand(row));
  switch (operator) {
    case "=":
      return (row) => {
        const l = operand(row);
        return typeof l === "number" ? l === c : general(l);
      };
    case "!=":
      return (row) => {
        const l = operand(row);
        return typeof l === "number" ? l !== c : general(l);
      };
    case "<":
      return (row) => {
        const l = operand(row);
        return typeof l === "number" ? l < c : general(l);
      };
    case "<=":
      return (row) => {
        const l = operand(row);
        return typeof l === "number" ? l <= c : general(l);
      };
    case ">":
      return (row) => {
        const l = operand(row);
        return typeof l === "number" ? l > c : general(l);
      };
    case ">=":
      return (row) => {
        const l = operand(row);
        return typeof l === "number" ? l >= c : general(l);
      };
    default:
      return operator satisfies never;
  }
}

/** Whether nothing is lost when `constant` is compared as a float. */
function isExactFloat(constant: number | bigint): boolean {
  return typeof constant === "number" || Number.isSafeInteger(Number(constant));
}

/** `operand = text` and `operand != text`. */
export function compileEqualityWithText(
  operator: "=" | "!=",
  operand: Evaluator,
  text: string,
  context: CompileContext,
): Evaluator {
  const whenEqual = operator === "=";
  return (row) => {
    const l = operand(row);
    return typeof l === "string" ? (l === text) === whenEqual : compare(operator, l, text, context);
  };
}

/** `x [NOT] IN (…)`: null never matches and is in nothing. */
export function compileInList(
  operand: Evaluator,
  list: readonly Evaluator[],
  negated: boolean,
  context: CompileContext,
): Evaluator {
  return (row) => {
    const value = operand(row);
    if (isNull(value)) return false;
    for (const element of list) if (compare("=", value, element(row), context)) return !negated;
    return negated;
  };
}

/** `x IN (…)` with constants of one kind: one look-up, however long the list. */
export function compileInConstants(
  operand: Evaluator,
  constants: readonly Value[],
  negated: boolean,
  context: CompileContext,
): Evaluator {
  const allText = constants.every((c) => typeof c === "string");
  const allNumbers = constants.every((c) => isNumber(c) && Number.isSafeInteger(Math.trunc(Number(c))));
  const general = compileInList(operand, constants.map((c) => () => c), negated, context);
  if (allText) {
    const set = new Set(constants);
    return (row) => {
      const value = operand(row);
      return typeof value === "string" ? set.has(value) !== negated : general(row);
    };
  }
  if (allNumbers) {
    const set = new Set(constants.map(Number));
    return (row) => {
      const value = operand(row);
      if (typeof value === "number") return set.has(value) !== negated;
      // No int that loses digits here equals one of the constants, which all fit.
      return typeof value === "bigint" ? set.has(Number(value)) !== negated : general(row);
    };
  }
  return general;
}

/** `x [NOT] IN array`: a null array holds nothing. */
export function compileInArray(
  operand: Evaluator,
  array: Evaluator,
  negated: boolean,
  context: CompileContext,
): Evaluator {
  return (row) => {
    const value = operand(row);
    if (isNull(value)) return false;
    const elements = array(row);
    if (isNull(elements)) return negated;
    if (!Array.isArray(elements)) {
      throw new RowError("E502", `IN needs a list or an array, found ${kindOf(elements)}`);
    }
    for (const element of elements) if (compare("=", value, element, context)) return !negated;
    return negated;
  };
}

/** `operand [NOT] BETWEEN low AND high`; null anywhere is false. */
export function compileBetween(
  operand: Evaluator,
  low: Evaluator,
  high: Evaluator,
  negated: boolean,
  context: CompileContext,
): Evaluator {
  return (row) => between(operand(row), low(row), high(row), negated, context);
}

function between(value: Value, low: Value, high: Value, negated: boolean, context: CompileContext): boolean {
  if (isNull(value) || isNull(low) || isNull(high)) return false;
  const inside = compare(">=", value, low, context) && compare("<=", value, high, context);
  return inside !== negated;
}

/** With two numbers, both turned into floats once; see {@linkcode compileComparisonWithNumber}. */
export function compileBetweenNumbers(
  operand: Evaluator,
  low: number | bigint,
  high: number | bigint,
  negated: boolean,
  context: CompileContext,
): Evaluator {
  const [from, to] = [Number(low), Number(high)];
  if (!isExactFloat(low) || !isExactFloat(high)) {
    return compileBetween(operand, () => low, () => high, negated, context);
  }
  return (row) => {
    const value = operand(row);
    if (typeof value === "number") return (value >= from && value <= to) !== negated;
    return between(value, low, high, negated, context);
  };
}
