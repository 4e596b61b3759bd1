/**
 * WHERE, and FILTER of a window.
 *
 * Independent rows are judged one by one, and a row that fails is dropped alone. In a window's list a failing row
 * drops the whole list, and a list with no row left is not handed on.
 * @module
 */
import { compileCondition } from "../../sql/compile/compile.ts";
import type { Condition } from "../../sql/compile/evaluator.ts";
import type { FilterPlan } from "../../sql/plan.ts";
import type { Row } from "../../value/row.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";

export class FilterOperator implements Operator {
  readonly #condition: Condition;
  readonly #context: OperatorContext;
  readonly #output: Output;

  constructor(plan: FilterPlan, context: OperatorContext, output: Output) {
    this.#condition = compileCondition(plan.condition, plan.clause === "where" ? "WHERE" : "FILTER", context);
    this.#context = context;
    this.#output = output;
  }

  push(batch: Batch): void {
    const kept = batch.window === undefined ? this.#eachRow(batch.rows) : this.#wholeList(batch.rows);
    if (kept.length > 0) this.#output.push({ rows: kept, window: batch.window });
  }

  #eachRow(rows: readonly Row[]): Row[] {
    const kept: Row[] = [];
    for (const row of rows) {
      try {
        if (this.#condition(row)) kept.push(row);
      } catch (error) {
        this.#context.fail(error);
      }
    }
    return kept;
  }

  #wholeList(rows: readonly Row[]): Row[] {
    try {
      return rows.filter(this.#condition);
    } catch (error) {
      this.#context.fail(error);
      return [];
    }
  }

  advance(progress: Progress): void {
    this.#output.advance(progress);
  }
}
