/**
 * A select list in the middle of a graph: each row goes on with the columns that the list makes of it, and with its time,
 * its metadata and its stream. In a list a failing row drops the whole list.
 * @module
 */
import { exprsOf } from "../../sql/analyze/select_list.ts";
import type { PickPlan, ProjectPlan } from "../../sql/plan.ts";
import { Row, type WindowSpan } from "../../value/row.ts";
import type { Struct, Value } from "../../value/value.ts";
import { type HitCounter, hitCounterFor, withHits } from "../hit_counter.ts";
import { sizeOfValue } from "../limits/state_size.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";
import { ChangedColumns, restoreList, snapshotList } from "./changed_columns.ts";
import { compileProjection } from "./project.ts";
import { compileSpread } from "./spread.ts";

export class PickOperator implements Operator {
  readonly #build: (row: Row) => Struct;
  /** Set where unnest() or extract() makes several rows of each. */
  readonly #spread: ((row: Row) => Struct[]) | undefined;
  readonly #changes: readonly ChangedColumns[];
  readonly #hits: HitCounter | undefined;
  readonly #context: OperatorContext;
  readonly #output: Output;

  constructor(plan: PickPlan, context: OperatorContext, output: Output) {
    this.#hits = hitCounterFor(...plan.items.flatMap(exprsOf));
    const counting = withHits(context, this.#hits);
    const projection: ProjectPlan = { ...plan, kind: "project", limit: undefined, sendMeta: false };
    this.#changes = plan.items.flatMap((item) => item.kind === "changes" ? [new ChangedColumns(item, counting)] : []);
    this.#build = compileProjection(projection, counting, this.#changes);
    const spread = plan.items.find((item) => item.kind === "spread");
    this.#spread = spread === undefined ? undefined : compileSpread(spread, projection, counting, this.#build);
    this.#context = context;
    this.#output = output;
  }

  push(batch: Batch): void {
    const { rows, window } = batch;
    if (window !== undefined) {
      this.#pushList(rows, window, window);
    } else if (this.#spread !== undefined) {
      // The rows made of one row are a list.
      for (const row of rows) this.#pushList([row], { start: undefined, end: undefined, trigger: row.time }, undefined);
    } else {
      this.#pushRows(rows);
    }
  }

  #pushRows(rows: readonly Row[]): void {
    const picked: Row[] = [];
    for (const row of rows) {
      try {
        picked.push(remade(row, this.#build(row), undefined));
        this.#hits?.pass(row.time);
      } catch (error) {
        this.#context.fail(error);
      }
    }
    if (picked.length > 0) this.#output.push({ rows: picked, window: undefined });
  }

  #pushList(rows: readonly Row[], list: WindowSpan, window: WindowSpan | undefined): void {
    const spread = this.#spread;
    let picked: Row[];
    try {
      picked = spread === undefined
        ? rows.map((row) => remade(row, this.#build(row), window))
        : rows.flatMap((row) => spread(row).map((values) => remade(row, values, window)));
    } catch (error) {
      this.#context.fail(error);
      return;
    }
    this.#hits?.pass(list.trigger);
    this.#output.push({ rows: picked, window: list });
  }

  advance(progress: Progress): void {
    this.#output.advance(progress);
  }

  stateBytes(): number {
    return this.#changes.length === 0 ? 0 : sizeOfValue(this.snapshot());
  }

  snapshot(): Value {
    return snapshotList(this.#changes, this.#hits);
  }

  restore(state: Value): void {
    restoreList(state, this.#changes, this.#hits);
  }
}

function remade(row: Row, values: Struct, window: WindowSpan | undefined): Row {
  const made = new Row(values, row.time, row.meta);
  made.source = row.source;
  made.window = window ?? row.window;
  return made;
}
