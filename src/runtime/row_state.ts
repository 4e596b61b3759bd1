/**
 * Rows as values, for snapshots, and the slots they carry.
 * @module
 */
import { Row } from "../value/row.ts";
import type { Struct, Value } from "../value/value.ts";

/**
 * A row as a list: columns, time, metadata, slots, source, parts. The window is not kept: rows in state have not left
 * one yet.
 */
export function rowToValue(row: Row): Value {
  const parts = row.parts?.map((part) => part === undefined ? null : rowToValue(part)) ?? null;
  return [row.values, row.time, row.meta ?? null, row.slots ?? null, row.source, parts];
}

/** What stands at the end of the list may be left out. */
export function rowFromValue(value: Value): Row {
  const [values, time, meta, slots, source, parts] = value as [
    Struct,
    number,
    Struct | null | undefined,
    Value[] | null | undefined,
    number | undefined,
    Value[] | null | undefined,
  ];
  const row = new Row(values, time, meta ?? undefined);
  row.slots = slots ?? undefined;
  row.source = source ?? 0;
  row.parts = parts?.map((part) => part === null ? undefined : rowFromValue(part));
  return row;
}

/** Forgets what was computed in `slots`: it is computed anew at its next use. */
export function emptySlots(row: Row, slots: readonly number[]): void {
  if (row.slots === undefined) return;
  for (let i = 0; i < slots.length; i++) row.slots[slots[i]!] = undefined;
}
