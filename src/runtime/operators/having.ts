/**
 * HAVING: with group expressions it judges each group, without them the window as a whole. A result that is not true
 * or false, null included, fails the list.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { compileExpression } from "../../sql/compile/compile.ts";
import type { Evaluator } from "../../sql/compile/evaluator.ts";
import type { HavingPlan } from "../../sql/plan.ts";
import { Row } from "../../value/row.ts";
import { kindOf, type Value } from "../../value/value.ts";
import { type HitCounter, hitCounterFor, withHits } from "../hit_counter.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";

export class HavingOperator implements Operator {
  readonly #evaluate: Evaluator;
  readonly #perGroup: boolean;
  readonly #hits: HitCounter | undefined;
  readonly #context: OperatorContext;
  readonly #output: Output;

  constructor(plan: HavingPlan, context: OperatorContext, output: Output) {
    this.#hits = hitCounterFor(plan.condition);
    this.#evaluate = compileExpression(plan.condition, withHits(context, this.#hits));
    this.#perGroup = plan.perGroup;
    this.#context = context;
    this.#output = output;
  }

  push(batch: Batch): void {
    if (batch.window === undefined) {
      // Each row is a result of its own, whatever rows came together with it.
      const kept = batch.rows.filter((row) => this.#keep({ rows: [row], window: undefined }) !== undefined);
      if (kept.length > 0) this.#output.push({ rows: kept, window: undefined });
      return;
    }
    const kept = this.#keep(batch);
    if (kept !== undefined) this.#output.push({ rows: kept, window: batch.window });
  }

  /** The groups of a list that are kept, or the list; undefined when nothing of it is. */
  #keep(batch: Batch): Row[] | undefined {
    let kept: Row[] | undefined;
    try {
      kept = this.#perGroup ? this.#keepGroups(batch.rows) : this.#keepList(batch);
    } catch (error) {
      this.#context.fail(error);
      return undefined;
    }
    if (kept === undefined) this.#context.metrics.filtered++;
    else this.#hits?.pass(batch.window?.trigger ?? this.#context.rule.now);
    return kept;
  }

  #keepGroups(rows: readonly Row[]): Row[] | undefined {
    const kept = rows.filter((row) => this.#holds(row));
    return kept.length > 0 ? kept : undefined;
  }

  /** Every row of the list has the same aggregates; in a list without rows they are all null. */
  #keepList({ rows, window }: Batch): Row[] | undefined {
    if (rows.length > 0) return this.#holds(rows[0]!) ? rows : undefined;
    const empty = new Row({}, window?.trigger ?? 0);
    empty.window = window;
    return this.#holds(empty) ? rows : undefined;
  }

  #holds(row: Row): boolean {
    const value = this.#evaluate(row);
    if (typeof value !== "boolean") {
      throw new RowError("E504", `HAVING must give true or false, found ${kindOf(value)}`);
    }
    return value;
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
