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
import type { Value } from "../../value/value.ts";
import { type HitCounter, hitCounterFor, withHits } from "../hit_counter.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";

export class FilterOperator implements Operator {
  readonly #condition: Condition;
  /** Only rows of this source are judged. */
  readonly #source: number | undefined;
  readonly #hits: HitCounter | undefined;
  readonly #context: OperatorContext;
  readonly #output: Output;

  constructor(plan: FilterPlan, context: OperatorContext, output: Output) {
    this.#hits = hitCounterFor(plan.condition);
    const counting = withHits(context, this.#hits);
    this.#condition = compileCondition(plan.condition, plan.clause === "where" ? "WHERE" : "FILTER", counting);
    this.#source = plan.source;
    this.#context = context;
    this.#output = output;
  }

  push(batch: Batch): void {
    const kept = batch.window === undefined ? this.#eachRow(batch.rows) : this.#wholeList(batch.rows);
    if (kept !== undefined && kept.length > 0) this.#output.push({ rows: kept, window: batch.window });
  }

  #eachRow(rows: readonly Row[]): Row[] {
    const kept: Row[] = [];
    const condition = this.#condition;
    const source = this.#source;
    const hits = this.#hits;
    let filtered = 0;
    for (const row of rows) {
      try {
        if ((source === undefined || row.source === source) && !condition(row)) {
          filtered++;
          continue;
        }
        hits?.pass(row.time);
        kept.push(row);
      } catch (error) {
        this.#context.fail(error);
      }
    }
    this.#context.metrics.filtered += filtered;
    return kept;
  }

  #wholeList(rows: readonly Row[]): Row[] | undefined {
    try {
      const kept = rows.filter(this.#condition);
      if (kept.length === 0) this.#context.metrics.filtered++;
      return kept;
    } catch (error) {
      this.#context.fail(error);
      return undefined;
    }
  }

  advance(progress: Progress): void {
    this.#output.advance(progress);
  }

  snapshot(): Value {
    return this.#hits?.snapshot() ?? null;
  }

  restore(state: Value): void {
    this.#hits?.restore(state);
  }
}
