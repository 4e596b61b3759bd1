/**
 * Sorting as ORDER BY means it: stable; nulls last in both directions. Numbers, strings (by bytes) and datetimes compare;
 * the first non-null value of a key fixes its kind, and another kind is an error.
 * @module
 */
import { RowError } from "../diagnostics/row_error.ts";
import type { Bound } from "../sql/bound.ts";
import { compileExpression } from "../sql/compile/compile.ts";
import type { CompileContext, Evaluator } from "../sql/compile/evaluator.ts";
import { compareByteOrder } from "../value/byte_order.ts";
import { DateTime } from "../value/datetime.ts";
import type { Row } from "../value/row.ts";
import { kindOf, type Value } from "../value/value.ts";

interface SortKey {
  readonly evaluate: Evaluator;
  readonly descending: boolean;
}

export type Sortable = number | bigint | string | null;

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

/** Less than zero when `a` comes first. Strings are of one kind with strings only: the caller sees to it. */
export function compareSortables(a: Sortable, b: Sortable, descending: boolean): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  const order = typeof a === "string" || typeof b === "string"
    ? compareByteOrder(String(a), String(b))
    : a < b
    ? -1
    : a > b
    ? 1
    : 0;
  return descending ? -order : order;
}

/**
 * The sorting of lists by `by`.
 *
 * @returns A function that gives the rows of a list in order, and throws `RowError` E502 for values that do not sort.
 */
export function compileSort(
  by: readonly { readonly expr: Bound; readonly descending: boolean }[],
  context: CompileContext,
): (rows: readonly Row[]) => Row[] {
  const sortKeys: readonly SortKey[] = by.map(({ expr, descending }) => ({
    evaluate: compileExpression(expr, context),
    descending,
  }));
  return (rows) => {
    const kinds: (string | undefined)[] = sortKeys.map(() => undefined);
    const decorated = rows.map((row) => ({
      row,
      keys: sortKeys.map((key, i) => {
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
      for (let i = 0; i < sortKeys.length; i++) {
        const order = compareSortables(a.keys[i]!, b.keys[i]!, sortKeys[i]!.descending);
        if (order !== 0) return order;
      }
      return 0;
    });
    return decorated.map((d) => d.row);
  };
}
