/**
 * Rows made of the rows of several sources.
 * @module
 */
import type { JoinPlan } from "../../sql/plan.ts";
import { Row, type WindowSpan } from "../../value/row.ts";
import type { Struct, Value } from "../../value/value.ts";

/** The rows that are joined, by position in FROM; undefined where an outer join found none. */
export type Parts = readonly (Row | undefined)[];

/** A joined row has no columns of its own. */
const noColumns: Struct = Object.freeze({});

/** `time` is that of the joined row; left out, it is that of its first part. */
export type JoinRows = (parts: Parts, window: WindowSpan | undefined, time?: number) => Row;

/**
 * How the rows of a join are made. Results of analytic functions come from the part whose rows the function saw; aliases
 * are computed anew, since on a part alone they may have had another value.
 */
export function compileJoinRows(analytics: JoinPlan["analytics"]): JoinRows {
  return (parts, window, time) => {
    let at = time;
    let meta: Struct | undefined;
    for (const part of parts) {
      if (part === undefined) continue;
      at ??= part.time;
      meta ??= part.meta;
    }
    const row = new Row(noColumns, at ?? 0, meta);
    row.parts = parts;
    row.window = window;
    if (analytics.length > 0) {
      const slots: Value[] = [];
      for (const { slot, owner } of analytics) slots[slot] = analyticOf(parts, slot, owner);
      row.slots = slots;
    }
    return row;
  };
}

function analyticOf(parts: Parts, slot: number, owner: number | undefined): Value {
  if (owner !== undefined) return parts[owner]?.slots?.[slot] ?? null;
  for (const part of parts) {
    const value = part?.slots?.[slot];
    if (value !== undefined && value !== null) return value;
  }
  return null;
}

/** The rows of a row: those it was joined from, or itself. */
export function partsOf(row: Row): Parts {
  if (row.parts !== undefined) return row.parts;
  const parts: (Row | undefined)[] = [];
  parts[row.source] = row;
  return parts;
}
