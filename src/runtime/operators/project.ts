/**
 * The select list: builds the rows that leave the rule, and cuts lists at LIMIT.
 *
 * Plain columns are copied when the row has them, expressions that give null are left out; with `sendNilField` absent
 * columns and null aliased expressions are written as null.
 * @module
 */
import { exprsOf, type OutputExpression, type OutputStar } from "../../sql/analyze/select_list.ts";
import { compileExpression, joinedValues, partOf } from "../../sql/compile/compile.ts";
import type { CompileContext } from "../../sql/compile/evaluator.ts";
import type { ProjectPlan } from "../../sql/plan.ts";
import type { Row } from "../../value/row.ts";
import { setOwn, type Struct, type Value } from "../../value/value.ts";
import { type HitCounter, hitCounterFor, withHits } from "../hit_counter.ts";
import { sizeOfValue } from "../limits/state_size.ts";
import { type Batch, itemsOf, type Operator, type OperatorContext, type Progress } from "../operator.ts";
import { ChangedColumns, restoreList, snapshotList } from "./changed_columns.ts";
import { compileSpread } from "./spread.ts";

/** Where results go: each row a result of its own, or one list per window. */
export interface Results {
  rows(rows: Struct[]): void;
  /** `ofEmptyWindow`: no row stood in the window, so the list is empty or holds the one row of its aggregates. */
  list(rows: Struct[], ofEmptyWindow: boolean): void;
}

/** Writes one item into the output row. */
type Writer = (row: Row, out: Struct) => void;

export class ProjectOperator implements Operator {
  readonly #build: (row: Row) => Struct;
  /** Set where unnest() or extract() makes several rows of each. */
  readonly #spread: ((row: Row) => Struct[]) | undefined;
  readonly #changes: readonly ChangedColumns[];
  readonly #hits: HitCounter | undefined;
  readonly #limit: number;
  readonly #context: OperatorContext;
  readonly #results: Results;

  constructor(plan: ProjectPlan, context: OperatorContext, results: Results) {
    this.#hits = hitCounterFor(...plan.items.flatMap(exprsOf));
    const counting = withHits(context, this.#hits);
    this.#changes = plan.items.flatMap((item) => item.kind === "changes" ? [new ChangedColumns(item, counting)] : []);
    this.#build = compileProjection(plan, counting, this.#changes);
    const spread = plan.items.find((item) => item.kind === "spread");
    this.#spread = spread === undefined ? undefined : compileSpread(spread, plan, counting, this.#build);
    this.#limit = plan.limit ?? Infinity;
    this.#context = context;
    this.#results = results;
  }

  push(batch: Batch): void {
    if (this.#limit === 0) {
      this.#context.metrics.filtered += itemsOf(batch);
      return;
    }
    if (batch.window !== undefined) {
      const { empty, trigger } = batch.window;
      this.#emitList(() => this.#buildList(batch.rows), empty === true, trigger);
      return;
    }
    const spread = this.#spread;
    if (spread !== undefined) {
      // The rows made of one row are a list, and LIMIT cuts it.
      for (const row of batch.rows) this.#emitList(() => this.#upToLimit(spread(row)), false, row.time);
      return;
    }
    const out: Struct[] = [];
    for (const row of batch.rows) {
      try {
        out.push(this.#build(row));
        this.#hits?.pass(row.time);
      } catch (error) {
        this.#context.fail(error);
      }
    }
    if (out.length > 0) this.#results.rows(out);
  }

  #emitList(build: () => Struct[], ofEmptyWindow: boolean, time: number): void {
    let list: Struct[];
    const marks = this.#changes.map((changes) => changes.mark());
    try {
      list = build();
    } catch (error) {
      // Nobody hears of the rows before the one that failed.
      for (const [i, changes] of this.#changes.entries()) changes.restore(marks[i]);
      this.#context.fail(error);
      return;
    }
    this.#hits?.pass(time);
    this.#results.list(list, ofEmptyWindow);
  }

  /** LIMIT counts the rows that leave: those that are spread, or else those that are built. */
  #buildList(rows: Row[]): Struct[] {
    return this.#spread === undefined
      ? this.#upToLimit(rows).map(this.#build)
      : this.#upToLimit(rows.flatMap(this.#spread));
  }

  #upToLimit<T>(rows: T[]): T[] {
    return rows.length > this.#limit ? rows.slice(0, this.#limit) : rows;
  }

  advance(_progress: Progress): void {}

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

/** `changes` are those of the plan's items; they are written last, when nothing else can fail any more. */
export function compileProjection(
  plan: ProjectPlan,
  context: CompileContext,
  changes: readonly ChangedColumns[],
): (row: Row) => Struct {
  const [only] = plan.items;
  // `SELECT *` alone hands the decoded row on without a copy: columns are never written to.
  if (plan.items.length === 1 && only?.kind === "star" && isWholeRow(only) && !plan.sendMeta) {
    return starValues(only, plan, context);
  }
  // Aliases overwrite columns that a star brings, wherever they stand in the text: stars are written first.
  const starItems = plan.items.filter((item) => item.kind === "star");
  // A single star without EXCEPT is copied by the engine, which is quicker than name by name.
  const copies = starItems.length === 1 && starItems[0]!.except.length === 0;
  const copied = copies ? starValues(starItems[0]!, plan, context) : undefined;
  const stars = starItems.map((item) => compileStarItem(item, plan, context, copies));
  const writers = plan.items
    .filter((item) => item.kind === "expression" && item.visible)
    .map((item) => compileItem(item as OutputExpression, plan.sendNilField, context));
  const changed = changes.map((each): Writer => (row, out) => each.write(row, out));
  const all = [...stars, ...writers, ...(plan.sendMeta ? [writeMeta] : []), ...changed];
  return (row) => {
    const out: Struct = copied === undefined ? {} : { ...copied(row) };
    for (let i = 0; i < all.length; i++) all[i]!(row, out);
    return out;
  };
}

function isWholeRow(star: OutputStar): boolean {
  return star.source === undefined && star.except.length === 0 && star.replace.length === 0;
}

function writeMeta(row: Row, out: Struct): void {
  out.__meta = row.meta ?? {};
}

/** The columns that a star stands for: of the row, of one source, or of all joined ones. */
function starValues(star: OutputStar, plan: ProjectPlan, context: CompileContext): (row: Row) => Struct {
  if (context.severalSources !== true) return (row) => row.values;
  const { source } = star;
  return source === undefined
    ? (row) => joinedValues(row, plan.precedence)
    : (row) => partOf(row, source)?.values ?? {};
}

/** With `copied` the row's columns are there already, and only REPLACE is left to do. */
function compileStarItem(star: OutputStar, plan: ProjectPlan, context: CompileContext, copied: boolean): Writer {
  const { sendNilField } = plan;
  const valuesOf = starValues(star, plan, context);
  const replacements = star.replace.map((r) => ({ name: r.name, evaluate: compileExpression(r.expr, context) }));
  const replaced = new Set(star.replace.map((r) => r.name));
  const except = new Set(star.except.filter((name) => !replaced.has(name)));
  return (row, out) => {
    if (!copied) {
      const values = valuesOf(row);
      for (const name of Object.keys(values)) if (!except.has(name)) setOwn(out, name, values[name]);
    }
    for (const { name, evaluate } of replacements) {
      const value = evaluate(row);
      if (value !== null && value !== undefined) setOwn(out, name, value);
      else if (sendNilField) setOwn(out, name, null);
      else delete out[name];
    }
  };
}

function compileItem(item: OutputExpression, sendNilField: boolean, context: CompileContext): Writer {
  const { name, expr } = item;
  const evaluate = compileExpression(expr, context);
  const set: (out: Struct, value: Struct[string]) => void = name === "__proto__"
    ? (out, value) => setOwn(out, name, value)
    : (out, value) => void (out[name] = value);
  if (expr.kind === "column" && !item.aliased) {
    return (row, out) => {
      const value = evaluate(row);
      if (value !== undefined) set(out, value);
      else if (sendNilField) set(out, null);
    };
  }
  const writesNull = (item.aliased && sendNilField) || (expr.kind === "aggregate" && expr.fn.writesNull === true);
  return (row, out) => {
    const value = evaluate(row);
    if (value !== null && value !== undefined) set(out, value);
    else if (writesNull) set(out, null);
  };
}
