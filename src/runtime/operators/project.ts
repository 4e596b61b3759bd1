/**
 * The select list: builds the rows that leave the rule, and cuts lists at LIMIT.
 *
 * Plain columns are copied when the row has them, expressions that give null are left out; with `sendNilField` absent
 * columns and null aliased expressions are written as null.
 * @module
 */
import type { OutputExpression, OutputStar } from "../../sql/analyze/analyze.ts";
import { compileExpression } from "../../sql/compile/compile.ts";
import type { CompileContext } from "../../sql/compile/evaluator.ts";
import type { ProjectPlan } from "../../sql/plan.ts";
import type { Row } from "../../value/row.ts";
import { setOwn, type Struct } from "../../value/value.ts";
import type { Batch, Operator, OperatorContext, Progress } from "../operator.ts";

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
  readonly #limit: number;
  readonly #context: OperatorContext;
  readonly #results: Results;

  constructor(plan: ProjectPlan, context: OperatorContext, results: Results) {
    this.#build = compileProjection(plan, context);
    this.#limit = plan.limit ?? Infinity;
    this.#context = context;
    this.#results = results;
  }

  push(batch: Batch): void {
    if (this.#limit === 0) return;
    if (batch.window !== undefined) {
      try {
        const rows = batch.rows.length > this.#limit ? batch.rows.slice(0, this.#limit) : batch.rows;
        this.#results.list(rows.map(this.#build), batch.window.empty === true);
      } catch (error) {
        this.#context.fail(error);
      }
      return;
    }
    const out: Struct[] = [];
    for (const row of batch.rows) {
      try {
        out.push(this.#build(row));
      } catch (error) {
        this.#context.fail(error);
      }
    }
    if (out.length > 0) this.#results.rows(out);
  }

  advance(_progress: Progress): void {}
}

function compileProjection(plan: ProjectPlan, context: CompileContext): (row: Row) => Struct {
  const [only] = plan.items;
  // `SELECT *` alone hands the decoded row on without a copy: columns are never written to.
  if (plan.items.length === 1 && only?.kind === "star" && isWholeRow(only) && !plan.sendMeta) {
    return (row) => row.values;
  }
  // Aliases overwrite columns that a star brings, wherever they stand in the text: stars are written first.
  const starItems = plan.items.filter((item) => item.kind === "star");
  // A single star without EXCEPT is copied by the engine, which is quicker than name by name.
  const copies = starItems.length === 1 && starItems[0]!.except.length === 0;
  const stars = starItems.map((item) => compileStarItem(item, copies, plan.sendNilField, context));
  const writers = plan.items
    .filter((item) => item.kind === "expression" && item.visible)
    .map((item) => compileItem(item as OutputExpression, plan.sendNilField, context));
  const all = [...stars, ...writers, ...(plan.sendMeta ? [writeMeta] : [])];
  return (row) => {
    const out: Struct = copies ? { ...row.values } : {};
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

/** With `copied` the row's columns are there already, and only REPLACE is left to do. */
function compileStarItem(
  star: OutputStar,
  copied: boolean,
  sendNilField: boolean,
  context: CompileContext,
): Writer {
  const replacements = star.replace.map((r) => ({ name: r.name, evaluate: compileExpression(r.expr, context) }));
  const replaced = new Set(star.replace.map((r) => r.name));
  const except = new Set(star.except.filter((name) => !replaced.has(name)));
  return (row, out) => {
    const values = row.values;
    if (!copied) { for (const name of Object.keys(values)) if (!except.has(name)) setOwn(out, name, values[name]); }
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
