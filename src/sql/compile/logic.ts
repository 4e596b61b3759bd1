/**
 * AND and OR, conditions, CASE.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { kindOf, type Value } from "../../value/value.ts";
import { compare } from "./comparison.ts";
import type { CompileContext, Condition, Evaluator } from "./evaluator.ts";

function operandOf(operator: string, value: Value): boolean | null {
  if (typeof value === "boolean") return value;
  if (value === null || value === undefined) return null;
  throw new RowError("E502", `${operator} needs booleans, found ${kindOf(value)}`);
}

/**
 * A chain of AND or OR, left to right. `false AND` and `true OR` decide without looking further; every other
 * combination with null is false.
 */
export function compileLogical(operator: "AND" | "OR", operands: readonly Evaluator[]): Evaluator {
  const deciding = operator === "OR";
  const first = operands[0]!;
  if (operands.length === 2) {
    const second = operands[1]!;
    return (row) => {
      const left = operandOf(operator, first(row));
      if (left === deciding) return deciding;
      const right = operandOf(operator, second(row));
      return left === null || right === null ? false : right;
    };
  }
  return (row) => {
    let result = operandOf(operator, first(row));
    for (let i = 1; i < operands.length; i++) {
      if (result === deciding) return deciding;
      const next = operandOf(operator, operands[i]!(row));
      result = result === null || next === null ? false : next;
    }
    return result;
  };
}

/** A condition for filters: null counts as false. */
export function toCondition(evaluate: Evaluator, what: string): Condition {
  return (row) => {
    const value = evaluate(row);
    if (typeof value === "boolean") return value;
    if (value === null || value === undefined) return false;
    throw new RowError("E504", `${what} must give true or false, found ${kindOf(value)}`);
  };
}

interface Branch {
  readonly when: Evaluator;
  readonly then: Evaluator;
}

export function compileSearchedCase(branches: readonly Branch[], otherwise: Evaluator | undefined): Evaluator {
  return (row) => {
    for (const branch of branches) if (branch.when(row) === true) return branch.then(row);
    return otherwise === undefined ? null : otherwise(row);
  };
}

export function compileSimpleCase(
  operand: Evaluator,
  branches: readonly Branch[],
  otherwise: Evaluator | undefined,
  context: CompileContext,
): Evaluator {
  return (row) => {
    const value = operand(row);
    for (const branch of branches) if (compare("=", value, branch.when(row), context)) return branch.then(row);
    return otherwise === undefined ? null : otherwise(row);
  };
}
