/**
 * One row on its way through a rule.
 * @module
 */
import type { Struct, Value } from "./value.ts";

/** The window a row came out of; all times are Unix milliseconds. */
export interface WindowSpan {
  readonly start: number | undefined;
  readonly end: number | undefined;
  readonly trigger: number;
  /** True when no row stood in it: the one row of its aggregates says nothing then. */
  readonly empty?: boolean;
}

/**
 * A row: its columns, its time, and what earlier steps computed for it.
 *
 * All rows have the same hidden shape, whatever columns they carry, so that expression closures stay monomorphic.
 */
export class Row {
  /** The columns the source delivered. Shared between rules that read one stream: never written to. */
  values: Struct;
  /** Arrival time, or event time once the watermark step has read it; Unix milliseconds. */
  time: number;
  /** Metadata of the source (`meta(*)`), when it has any. */
  meta: Struct | undefined;
  /** Results of aliases, analytic functions and aggregates, by the slot the compiler gave them. */
  slots: Value[] | undefined;
  /** Set on rows that came out of a window. */
  window: WindowSpan | undefined;
  /** The position of its source in FROM. */
  source: number;
  /** Of a joined row: the rows it is made of, by position in FROM. Its own columns are empty then. */
  parts: readonly (Row | undefined)[] | undefined;

  constructor(values: Struct, time: number, meta?: Struct) {
    this.values = values;
    this.time = time;
    this.meta = meta;
    this.slots = undefined;
    this.window = undefined;
    this.source = 0;
    this.parts = undefined;
  }
}

/** A row of its own with the same content: what is written into its slots, or its window, stays with it. */
export function copyOfRow(row: Row): Row {
  const copy = new Row(row.values, row.time, row.meta);
  copy.slots = row.slots?.slice();
  copy.window = row.window;
  copy.source = row.source;
  copy.parts = row.parts;
  return copy;
}
