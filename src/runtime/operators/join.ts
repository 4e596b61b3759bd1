/**
 * Joins of streams and scan tables: of the rows of one window, or, where all others are tables, of one row.
 *
 * State: of each scan table its newest rows, `RETAIN_SIZE` at most. A row of a table sets nothing off; rows of streams are
 * joined with what the table holds at that moment. A list on which ON fails is dropped as a whole.
 * @module
 */
import type { JoinPlan, SourcePlan } from "../../sql/plan.ts";
import { NodeMetrics } from "../../telemetry/node_metrics.ts";
import type { Row, WindowSpan } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import { sizeOfRows } from "../limits/state_size.ts";
import type { Batch, KeptTable, Operator, OperatorContext, Output, Progress } from "../operator.ts";
import { rowFromValue, rowToValue } from "../row_state.ts";
import { CompiledStep } from "./join_step.ts";
import { compileJoinRows, type JoinRows, type Parts } from "./joined_row.ts";

class TableRows implements KeptTable {
  readonly position: number;
  readonly metrics = new NodeMetrics();
  readonly #retained: number;
  #rows: Row[] = [];
  /** What {@linkcode newest} gave, until rows come. */
  #newest: readonly Row[] | undefined;

  constructor({ position, schema }: SourcePlan) {
    this.position = position;
    this.#retained = schema.retainSize ?? Infinity;
  }

  set rows(rows: Row[]) {
    this.#rows = rows;
    this.#newest = undefined;
  }

  push(batch: Batch): void {
    const before = this.held();
    for (const row of batch.rows) this.#rows.push(row);
    this.#newest = undefined;
    const { metrics } = this;
    metrics.recordsIn += batch.rows.length;
    metrics.rowsIn += batch.rows.length;
    metrics.passed += Math.max(0, before + batch.rows.length - this.#retained);
    // Cut at twice the size: cutting costs nothing on average then.
    if (this.#rows.length > 2 * this.#retained) this.#rows = this.#rows.slice(-this.#retained);
  }

  /** One and the same array as long as no row comes, so that its index can be kept. */
  newest(): readonly Row[] {
    return this.#newest ??= this.#rows.slice(-this.#retained);
  }

  held(): number {
    return Math.min(this.#rows.length, this.#retained);
  }

  /** As {@linkcode Operator.stateBytes}. */
  stateBytes(): number {
    return sizeOfRows(this.#rows);
  }

  advance(): void {}
}

export class JoinOperator implements Operator {
  readonly #first: number;
  readonly #steps: readonly { readonly source: number; readonly compiled: CompiledStep }[];
  readonly tables: readonly TableRows[];
  readonly #joinRows: JoinRows;
  readonly #context: OperatorContext;
  readonly #output: Output;

  constructor(plan: JoinPlan, context: OperatorContext, output: Output) {
    this.#first = plan.first;
    this.#joinRows = compileJoinRows(plan.analytics);
    this.tables = plan.tables.map((table) => new TableRows(table));
    this.#steps = plan.steps.map((step) => {
      const ofTable = this.tables.some(({ position }) => position === step.source);
      const compiled = new CompiledStep(step, this.#joinRows, context, ofTable, plan.analytics.length > 0);
      return { source: step.source, compiled };
    });
    this.#context = context;
    this.#output = output;
  }

  /** Takes the rows of the scan table at `position` in FROM. */
  tablePort(position: number): Output {
    return this.tables.find((table) => table.position === position)!;
  }

  push(batch: Batch): void {
    if (batch.window !== undefined) {
      this.#join(batch.rows, batch.window, batch.window);
      return;
    }
    for (const row of batch.rows) this.#join([row], { start: undefined, end: undefined, trigger: row.time }, undefined);
  }

  #join(rows: readonly Row[], list: WindowSpan, window: WindowSpan | undefined): void {
    let joined: Row[];
    try {
      const bySource: (readonly Row[])[] = [];
      for (const table of this.tables) bySource[table.position] = table.newest();
      for (const row of rows) ((bySource[row.source] ??= []) as Row[]).push(row);
      let parts: readonly Parts[] = (bySource[this.#first] ?? []).map((row) => {
        const own: (Row | undefined)[] = [];
        own[this.#first] = row;
        return own;
      });
      for (const { source, compiled } of this.#steps) parts = compiled.join(parts, bySource[source] ?? []);
      // Without a window it is the row of a stream that came, whatever the age of what the tables hold.
      const time = window === undefined ? list.trigger : undefined;
      joined = parts.map((each) => this.#joinRows(each, window, time));
    } catch (error) {
      this.#context.fail(error);
      return;
    }
    if (joined.length > 0) this.#output.push({ rows: joined, window: { ...list, empty: false } });
    else this.#context.metrics.filtered++;
  }

  advance(progress: Progress): void {
    this.#output.advance(progress);
  }

  stateBytes(): number {
    return this.tables.reduce((bytes, table) => bytes + table.stateBytes(), 0);
  }

  snapshot(): Value {
    return this.tables.map((table) => table.newest().map(rowToValue));
  }

  restore(state: Value): void {
    for (const [i, table] of this.tables.entries()) table.rows = (state as Value[][])[i]!.map(rowFromValue);
  }
}
