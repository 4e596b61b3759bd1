/**
 * Rows that leave a window: a row may stand in several windows, and each hands on a copy of its own.
 * @module
 */
import { Row, type WindowSpan } from "../../value/row.ts";
import { emptySlots } from "../row_state.ts";

/** A copy of `row` as it comes out of `window`; what was computed in `changingSlots` is computed anew. */
export function copyRow(row: Row, changingSlots: readonly number[], window: WindowSpan | undefined): Row {
  const copy = new Row(row.values, row.time, row.meta);
  copy.source = row.source;
  copy.parts = row.parts;
  copy.window = window;
  if (row.slots !== undefined) {
    copy.slots = row.slots.slice();
    emptySlots(copy, changingSlots);
  }
  return copy;
}
