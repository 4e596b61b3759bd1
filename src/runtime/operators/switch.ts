/**
 * The switch nodes of graphs: every case whose condition holds gets the data, or only the first of them.
 *
 * Rows are judged one by one, groups too; a list without groups is judged as a whole, by its first row, and one without
 * rows by a row on which everything is null. What a condition cannot be evaluated on, null apart, goes to no case.
 * @module
 */
import { compileCondition } from "../../sql/compile/compile.ts";
import type { Condition } from "../../sql/compile/evaluator.ts";
import type { SwitchPlan } from "../../sql/plan.ts";
import { copyOfRow, Row } from "../../value/row.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";

export class SwitchOperator implements Operator {
  readonly #conditions: readonly Condition[];
  readonly #stops: boolean;
  readonly #ofLists: boolean;
  readonly #context: OperatorContext;
  /** By case; undefined for those that lead nowhere. */
  readonly #outputs: readonly (Output | undefined)[];

  constructor(plan: SwitchPlan, context: OperatorContext, outputs: readonly (Output | undefined)[]) {
    this.#conditions = plan.cases.map((condition) => compileCondition(condition, "A case", context));
    this.#stops = plan.stopAtFirstMatch;
    this.#ofLists = plan.judges === "lists";
    this.#context = context;
    this.#outputs = outputs;
  }

  push(batch: Batch): void {
    if (batch.window !== undefined && this.#ofLists) this.#pushList(batch);
    else this.#pushRows(batch);
  }

  #pushRows({ rows, window }: Batch): void {
    const byCase: Row[][] = this.#conditions.map(() => []);
    let passed = 0;
    let filtered = 0;
    for (const row of rows) {
      try {
        const cases = this.#casesOf(row);
        for (const [i, index] of cases.entries()) byCase[index]!.push(i === 0 ? row : copyOfRow(row));
        if (this.#leadSomewhere(cases)) passed++;
        else filtered++;
      } catch (error) {
        this.#context.fail(error);
        if (window !== undefined) return;
      }
    }
    // A list is one item, of which each case gets its rows.
    if (window === undefined) this.#count(passed, filtered);
    else this.#count(passed > 0 ? 1 : 0, passed > 0 ? 0 : 1);
    for (const [index, taken] of byCase.entries()) {
      if (taken.length > 0) this.#outputs[index]?.push({ rows: taken, window });
    }
  }

  #pushList({ rows, window }: Batch): void {
    let cases: readonly number[];
    try {
      cases = this.#casesOf(rows[0] ?? rowOfNone(window!));
    } catch (error) {
      this.#context.fail(error);
      return;
    }
    const passed = this.#leadSomewhere(cases) ? 1 : 0;
    this.#count(passed, 1 - passed);
    // The steps behind one case may write into its rows: the copies are made before.
    const lists = cases.map((_, i) => i === 0 ? rows : rows.map(copyOfRow));
    for (const [i, index] of cases.entries()) this.#outputs[index]?.push({ rows: lists[i]!, window });
  }

  #leadSomewhere(cases: readonly number[]): boolean {
    return cases.some((index) => this.#outputs[index] !== undefined);
  }

  #count(passed: number, filtered: number): void {
    this.#context.metrics.passed += passed;
    this.#context.metrics.filtered += filtered;
  }

  /** All conditions are judged before any case gets the row, which the steps there may change. */
  #casesOf(row: Row): number[] {
    const cases: number[] = [];
    for (const [index, holds] of this.#conditions.entries()) {
      if (!holds(row)) continue;
      cases.push(index);
      if (this.#stops) break;
    }
    return cases;
  }

  advance(progress: Progress): void {
    for (const output of this.#outputs) output?.advance(progress);
  }
}

function rowOfNone(window: NonNullable<Batch["window"]>): Row {
  const row = new Row({}, window.trigger);
  row.window = window;
  return row;
}
