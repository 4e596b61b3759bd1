/**
 * GROUP BY and aggregates over lists that windows hand on, or over single rows, each of which is a group of its own.
 * @module
 */
import type { AggregatePlan } from "../../sql/plan.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";
import { compileGroups, GroupTable } from "../windows/group_table.ts";
import type { Row } from "../../value/row.ts";

export class AggregateOperator implements Operator {
  /** Empty between batches, so there is no state to keep. */
  readonly #groups: GroupTable;
  readonly #context: OperatorContext;
  readonly #output: Output;

  constructor(plan: AggregatePlan, context: OperatorContext, output: Output) {
    this.#groups = new GroupTable(compileGroups(plan.groupBy, plan.aggregates, context));
    this.#context = context;
    this.#output = output;
  }

  push(batch: Batch): void {
    if (batch.window !== undefined) {
      const rows = this.#take(batch.rows, batch);
      if (rows === undefined) return;
      // Where there are group expressions, a list without rows has no group.
      if (rows.length > 0) this.#output.push({ rows, window: batch.window });
      else this.#context.metrics.filtered++;
      return;
    }
    const rows: Row[] = [];
    for (const row of batch.rows) rows.push(...this.#take([row], batch) ?? []);
    if (rows.length > 0) this.#output.push({ rows, window: undefined });
  }

  /** Undefined when it failed. */
  #take(rows: readonly Row[], batch: Batch): Row[] | undefined {
    try {
      for (const row of rows) this.#groups.add(row);
      return this.#groups.take(batch.window);
    } catch (error) {
      this.#groups.clear();
      this.#context.fail(error);
      return undefined;
    }
  }

  advance(progress: Progress): void {
    this.#output.advance(progress);
  }
}
