/**
 * ORDER BY: sorts the rows or groups of a window. A list with a key that cannot be sorted is not handed on.
 * @module
 */
import type { OrderPlan } from "../../sql/plan.ts";
import type { Row } from "../../value/row.ts";
import { type Batch, itemsOf, type Operator, type OperatorContext, type Output, type Progress } from "../operator.ts";
import { compileSort } from "../sort_rows.ts";

export class OrderOperator implements Operator {
  readonly #sort: (rows: readonly Row[]) => Row[];
  readonly #context: OperatorContext;
  readonly #output: Output;

  constructor(plan: OrderPlan, context: OperatorContext, output: Output) {
    this.#sort = compileSort(plan.by, context);
    this.#context = context;
    this.#output = output;
  }

  push(batch: Batch): void {
    let rows: Row[];
    try {
      rows = this.#sort(batch.rows);
    } catch (error) {
      this.#context.fail(error, itemsOf(batch));
      return;
    }
    this.#output.push({ rows, window: batch.window });
  }

  advance(progress: Progress): void {
    this.#output.advance(progress);
  }
}
