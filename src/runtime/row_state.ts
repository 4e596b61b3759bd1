/**
 * Rows as values, for snapshots, and the slots they carry.
 * @module
 */
import { Row } from "../value/row.ts";
import type { Struct, Value } from "../value/value.ts";

/** A row as a list: columns, time, metadata, slots. The window is not kept: rows in state have not left one yet. */
export function rowToValue(row: Row): Value {
  return [row.values, row.time, row.meta ?? null, row.slots ?? null];
}

export function rowFromValue(value: Value): Row {
  const [values, time, meta, slots] = value as [Struct, number, Struct | null, Value[] | null];
  const row = new Row(values, time, meta ?? undefined);
  row.slots = slots ?? undefined;
  return row;
}

/** Forgets what was computed in `slots`: it is computed anew at its next use. */
export function emptySlots(row: Row, slots: readonly number[]): void {
  if (row.slots === undefined) return;
  for (let i = 0; i < slots.length; i++) row.slots[slots[i]!] = undefined;
}
