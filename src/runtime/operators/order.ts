/**
 * ORDER BY: sorts the rows or groups of a window. Stable; nulls come last in both directions. Numbers, strings (by
 * bytes) and datetimes compare; the first non-null value of a key fixes its kind, and another kind fails the list.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { compileExpression } from "../../sql/compile/compile.ts";
import type { Evaluator } from "../../sql/compile/evaluator.ts";
import type { OrderPlan } from "../../sql/plan.ts";
import { compareByteOrder } from "../../value/byte_order.ts";
import { DateTime } from "../../value/datetime.ts";
import type { Row } from "../../value/row.ts";
import { kindOf, type Value } from "../../value/value.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";

interface SortKey {
  readonly evaluate: Evaluator;
  readonly descending: boolean;
}

type Sortable = number | bigint | string | null;

/** Datetimes sort by instant. */
function sortable(value: Value): Sortable {
  if (value === null || value === undefined) return null;
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "string") return value;
  if (value instanceof DateTime) return value.ms;
  throw new RowError("E502", `ORDER BY cannot sort ${kindOf(value)} values`);
}

function sortKind(value: Value): string {
  return typeof value === "bigint" ? "number" : value instanceof DateTime ? "datetime" : typeof value;
}

function compareKeys(a: Sortable, b: Sortable, descending: boolean): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  // Both are of one kind: the caller has refused anything else.
  const order = typeof a === "string" || typeof b === "string"
    ? compareByteOrder(String(a), String(b))
    : a < b
    ? -1
    : a > b
    ? 1
    : 0;
  return descending ? -order : order;
}

export class OrderOperator implements Operator {
  readonly #keys: readonly SortKey[];
  readonly #context: OperatorContext;
  readonly #output: Output;

  constructor(plan: OrderPlan, context: OperatorContext, output: Output) {
    this.#keys = plan.by.map((by) => ({ evaluate: compileExpression(by.expr, context), descending: by.descending }));
    this.#context = context;
    this.#output = output;
  }

  push(batch: Batch): void {
    let rows: Row[];
    try {
      rows = this.#sort(batch.rows);
    } catch (error) {
      this.#context.fail(error);
      return;
    }
    this.#output.push({ rows, window: batch.window });
  }

  #sort(rows: readonly Row[]): Row[] {
    const kinds: (string | undefined)[] = this.#keys.map(() => undefined);
    const decorated = rows.map((row) => ({
      row,
      keys: this.#keys.map((key, i) => {
        const value = key.evaluate(row);
        const result = sortable(value);
        if (result === null) return null;
        const kind = sortKind(value);
        kinds[i] ??= kind;
        if (kinds[i] !== kind) throw new RowError("E502", `ORDER BY cannot compare ${kinds[i]} with ${kind}`);
        return result;
      }),
    }));
    decorated.sort((a, b) => {
      for (let i = 0; i < this.#keys.length; i++) {
        const order = compareKeys(a.keys[i]!, b.keys[i]!, this.#keys[i]!.descending);
        if (order !== 0) return order;
      }
      return 0;
    });
    return decorated.map((d) => d.row);
  }

  advance(progress: Progress): void {
    this.#output.advance(progress);
  }
}
