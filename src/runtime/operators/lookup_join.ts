/**
 * Joins with a lookup table, which is asked for each row.
 *
 * A table that answers at once costs no promise. Where one does not, the batch waits for its answers, and whatever comes
 * behind it, time included, waits in line: order is kept, and `settled` tells when all of it has gone through.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { compileExpression } from "../../sql/compile/compile.ts";
import type { Evaluator } from "../../sql/compile/evaluator.ts";
import type { LookupJoinPlan } from "../../sql/plan.ts";
import { Row, type WindowSpan } from "../../value/row.ts";
import { kindOf, type Struct, type Value } from "../../value/value.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";
import type { KeyedLookup } from "../lookup_table.ts";
import { joinedRowsMax, tooLarge } from "./join_step.ts";
import { compileJoinRows, type JoinRows, partsOf } from "./joined_row.ts";
import { WaitingLine } from "./waiting_line.ts";

/** What a row found, or why it could not be asked for. */
type Answer = readonly Struct[] | { readonly error: unknown };

const nothing: readonly Struct[] = [];

export class LookupJoinOperator implements Operator {
  readonly #plan: LookupJoinPlan;
  readonly #lookup: KeyedLookup;
  readonly #keys: readonly Evaluator[];
  readonly #columns: readonly string[] | "all";
  readonly #condition: Evaluator | undefined;
  readonly #joinRows: JoinRows;
  readonly #context: OperatorContext;
  readonly #output: Output;
  readonly #line: WaitingLine;

  constructor(plan: LookupJoinPlan, lookup: KeyedLookup, context: OperatorContext, output: Output) {
    this.#plan = plan;
    this.#lookup = lookup;
    this.#keys = plan.keys.map(({ value }) => compileExpression(value, context));
    const { columns } = plan.table;
    this.#columns = columns === "all" ? "all" : [...new Set([...columns, ...plan.keys.map((key) => key.column)])];
    this.#condition = plan.condition === undefined ? undefined : compileExpression(plan.condition, context);
    this.#joinRows = compileJoinRows(plan.analytics);
    this.#context = context;
    this.#output = output;
    this.#line = new WaitingLine((batch) => this.#process(batch), context, output);
  }

  push(batch: Batch): void {
    this.#line.push(batch);
  }

  advance(progress: Progress): void {
    this.#line.advance(progress);
  }

  held(): number {
    return this.#line.held();
  }

  stateBytes(): number {
    return this.#line.stateBytes();
  }

  settled(): Promise<void> | undefined {
    return this.#line.settled();
  }

  close(): void {
    this.#line.close();
  }

  #process(batch: Batch): Promise<() => void> | undefined {
    let waits = false;
    const asked = batch.rows.map((row) => {
      const answer = this.#ask(row);
      waits ||= answer instanceof Promise;
      return answer;
    });
    if (waits) return Promise.all(asked).then((answers) => () => this.#emit(batch, answers));
    this.#emit(batch, asked as Answer[]);
    return undefined;
  }

  #ask(row: Row): Answer | Promise<Answer> {
    try {
      const values: Value[] = [];
      for (const key of this.#keys) {
        const value = key(row);
        // Null matches nothing, so nobody is asked.
        if (value === null || value === undefined) return nothing;
        values.push(value);
      }
      const found = this.#lookup.find(values, this.#columns);
      return found instanceof Promise ? found.catch((error: unknown) => ({ error })) : found;
    } catch (error) {
      return { error };
    }
  }

  #emit(batch: Batch, answers: readonly Answer[]): void {
    if (batch.window !== undefined) {
      this.#emitList(batch.rows, answers, batch.window);
      return;
    }
    for (const [i, row] of batch.rows.entries()) {
      this.#emitList([row], [answers[i]!], { start: undefined, end: undefined, trigger: row.time });
    }
  }

  #emitList(rows: readonly Row[], answers: readonly Answer[], list: WindowSpan): void {
    const joined: Row[] = [];
    try {
      for (const [i, row] of rows.entries()) {
        const answer = answers[i]!;
        if ("error" in answer) throw answer.error;
        this.#join(row, answer, joined);
      }
    } catch (error) {
      this.#context.fail(error);
      return;
    }
    if (joined.length > 0) this.#output.push({ rows: joined, window: { ...list, empty: false } });
    else this.#context.metrics.filtered++;
  }

  #join(row: Row, found: readonly Struct[], joined: Row[]): void {
    const { type, table } = this.#plan;
    const matches: readonly (Struct | undefined)[] = found.length === 0 && type === "left" ? [undefined] : found;
    for (const values of matches) {
      const parts = partsOf(row).slice();
      if (values !== undefined) {
        const own = new Row(values, row.time);
        own.source = table.position;
        parts[table.position] = own;
      }
      const result = this.#joinRows(parts, row.window, row.time);
      if (!this.#holds(result)) continue;
      if (joined.push(result) > joinedRowsMax) tooLarge();
    }
  }

  #holds(row: Row): boolean {
    if (this.#condition === undefined) return true;
    const value = this.#condition(row);
    if (typeof value === "boolean") return value;
    throw new RowError("E504", `ON must give true or false, found ${kindOf(value)}`);
  }
}
