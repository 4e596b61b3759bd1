/**
 * Conditions of windows: WHEN of sliding ones, those of state ones. What fails, or is no boolean, counts as false and is
 * told to the log; the row itself is not lost.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import type { Bound } from "../../sql/bound.ts";
import { compileExpression } from "../../sql/compile/compile.ts";
import type { Condition } from "../../sql/compile/evaluator.ts";
import { kindOf } from "../../value/value.ts";
import type { OperatorContext } from "../operator.ts";

export function compileWindowCondition(bound: Bound, context: OperatorContext): Condition {
  const evaluate = compileExpression(bound, context);
  return (row) => {
    try {
      const value = evaluate(row);
      if (typeof value === "boolean") return value;
      if (value === null || value === undefined) return false;
      throw new RowError("E504", `The condition of a window must give true or false, found ${kindOf(value)}`);
    } catch (error) {
      if (error instanceof RowError) context.tell?.(error);
      else context.fail(error);
      return false;
    }
  };
}
