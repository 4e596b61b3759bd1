/**
 * Aggregates over the whole list, or the single row, given to each of its rows: those of WHERE, and those of HAVING and
 * ORDER BY when the result is not aggregated. A list on which one fails is not handed on.
 * @module
 */
import type { WindowAggregatePlan } from "../../sql/plan.ts";
import type { Row } from "../../value/row.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";
import { emptySlots } from "../row_state.ts";
import { compileGroups, GroupTable } from "../windows/group_table.ts";

export class ListAggregateOperator implements Operator {
  readonly #table: GroupTable;
  readonly #slots: readonly number[];
  readonly #context: OperatorContext;
  readonly #output: Output;

  constructor(plan: WindowAggregatePlan, context: OperatorContext, output: Output) {
    this.#table = new GroupTable(compileGroups([], plan.aggregates, context));
    this.#slots = plan.aggregates.map((a) => a.slot);
    this.#context = context;
    this.#output = output;
  }

  push(batch: Batch): void {
    if (batch.window !== undefined) {
      if (this.#compute(batch.rows, batch)) this.#output.push(batch);
      return;
    }
    const kept = batch.rows.filter((row) => this.#compute([row], batch));
    if (kept.length > 0) this.#output.push({ rows: kept, window: undefined });
  }

  #compute(rows: readonly Row[], batch: Batch): boolean {
    try {
      for (const row of rows) this.#table.add(row);
      const results = this.#table.take(batch.window)[0]?.slots ?? [];
      for (const row of rows) {
        row.slots ??= [];
        emptySlots(row, this.#context.changingSlots);
        for (const slot of this.#slots) row.slots[slot] = results[slot] ?? null;
      }
      return true;
    } catch (error) {
      this.#table.clear();
      this.#context.fail(error);
      return false;
    }
  }

  advance(progress: Progress): void {
    this.#output.advance(progress);
  }
}
