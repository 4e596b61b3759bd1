/**
 * `+ - * / %` and the bit operators. Null with anything is null for arithmetic and false for bit operators.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { kindOf, type Value, wrapInt } from "../../value/value.ts";
import type { Evaluator } from "./evaluator.ts";

export type ArithmeticOperator = "+" | "-" | "*" | "/" | "%";
export type BitOperator = "&" | "|" | "^";

function mismatch(operator: string, left: Value, right: Value): never {
  throw new RowError("E502", `Cannot combine ${kindOf(left)} ${operator} ${kindOf(right)}`);
}

function divisionByZero(operator: string): never {
  throw new RowError("E503", operator === "/" ? "Division by zero" : "Remainder of a division by zero");
}

const onFloats: Readonly<Record<ArithmeticOperator, (l: number, r: number) => number>> = {
  "+": (l, r) => l + r,
  "-": (l, r) => l - r,
  "*": (l, r) => l * r,
  "/": (l, r) => (r === 0 ? divisionByZero("/") : l / r),
  "%": (l, r) => (r === 0 ? divisionByZero("%") : l % r),
};

/** Ints wrap at 64 bits; a quotient is truncated toward zero and a remainder has the sign of the left side. */
const onInts: Readonly<Record<ArithmeticOperator, (l: bigint, r: bigint) => bigint>> = {
  "+": (l, r) => wrapInt(l + r),
  "-": (l, r) => wrapInt(l - r),
  "*": (l, r) => wrapInt(l * r),
  "/": (l, r) => (r === 0n ? divisionByZero("/") : wrapInt(l / r)),
  "%": (l, r) => (r === 0n ? divisionByZero("%") : l % r),
};

export function compileArithmetic(operator: ArithmeticOperator, left: Evaluator, right: Evaluator): Evaluator {
  const floats = onFloats[operator];
  const ints = onInts[operator];
  return (row) => {
    const l = left(row);
    const r = right(row);
    if (typeof l === "number") {
      if (typeof r === "number") return floats(l, r);
      if (typeof r === "bigint") return floats(l, Number(r));
    } else if (typeof l === "bigint") {
      if (typeof r === "bigint") return ints(l, r);
      if (typeof r === "number") return floats(Number(l), r);
    }
    if (l === null || l === undefined || r === null || r === undefined) return null;
    return mismatch(operator, l, r);
  };
}

export function compileBits(operator: BitOperator, left: Evaluator, right: Evaluator): Evaluator {
  return (row) => {
    const l = left(row);
    const r = right(row);
    if (typeof l === "bigint" && typeof r === "bigint") {
      return operator === "&" ? l & r : operator === "|" ? l | r : l ^ r;
    }
    if (typeof l === "boolean" && typeof r === "boolean") {
      return operator === "&" ? l && r : operator === "|" ? l || r : l !== r;
    }
    if (l === null || l === undefined || r === null || r === undefined) return false;
    return mismatch(operator, l, r);
  };
}
