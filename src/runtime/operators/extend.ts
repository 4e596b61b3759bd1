/**
 * Adds a column to each row: the function nodes of graphs. In a list a failing row drops the whole list.
 * @module
 */
import { compileExpression } from "../../sql/compile/compile.ts";
import type { Evaluator } from "../../sql/compile/evaluator.ts";
import type { ExtendPlan } from "../../sql/plan.ts";
import { Row } from "../../value/row.ts";
import { setOwn, type Struct, type Value } from "../../value/value.ts";
import { type HitCounter, hitCounterFor, withHits } from "../hit_counter.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";

export class ExtendOperator implements Operator {
  readonly #plan: ExtendPlan;
  readonly #evaluate: Evaluator;
  readonly #hits: HitCounter | undefined;
  readonly #context: OperatorContext;
  readonly #output: Output;

  constructor(plan: ExtendPlan, context: OperatorContext, output: Output) {
    this.#plan = plan;
    this.#hits = hitCounterFor(plan.expr);
    this.#evaluate = compileExpression(plan.expr, withHits(context, this.#hits));
    this.#context = context;
    this.#output = output;
  }

  push(batch: Batch): void {
    const kept: Row[] = [];
    for (const row of batch.rows) {
      try {
        this.#extend(row);
        this.#hits?.pass(row.time);
        kept.push(row);
      } catch (error) {
        this.#context.fail(error);
        if (batch.window !== undefined) return;
      }
    }
    if (kept.length > 0 || batch.window !== undefined) this.#output.push({ rows: kept, window: batch.window });
  }

  #extend(row: Row): void {
    const value = this.#evaluate(row);
    const { part } = this.#plan;
    if (part === undefined || row.parts === undefined) {
      row.values = this.#with(row.values, value);
      return;
    }
    const added = new Row(this.#with(row.parts[part]?.values ?? {}, value), row.time);
    added.source = part;
    const parts = row.parts.slice();
    parts[part] = added;
    row.parts = parts;
  }

  /** A copy: the columns of a row belong to others too. */
  #with(values: Struct, value: Value): Struct {
    const { name, sendNilField } = this.#plan;
    const extended = { ...values };
    if (value !== null && value !== undefined) setOwn(extended, name, value);
    else if (sendNilField) setOwn(extended, name, null);
    else delete extended[name];
    return extended;
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
