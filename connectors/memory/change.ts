/**
 * What a row of a memory sink does to lookup tables: `rowkindField` and `keyField`.
 * @module
 */
import type { Struct, Value } from "../../src/connector/source.ts";
import { getOwn } from "../../src/value/value.ts";

const kinds = ["insert", "update", "upsert", "delete"] as const;

/** What happens to the row of one key. */
export interface RowChange {
  readonly kind: typeof kinds[number];
  /** The value of `keyField`; undefined when there is no such setting. */
  readonly key: Value;
}

/** How a sink's settings read the change from a row: the change, or what is wrong with the row. */
export type ChangeReader = (row: Struct) => RowChange | string;

/** Undefined for a sink whose rows say nothing about changes. */
export function changeReader(rowkindField: string, keyField: string): ChangeReader | undefined {
  if (rowkindField === "" && keyField === "") return undefined;
  return (row) => {
    const kind = rowkindField === "" ? "upsert" : kindOf(getOwn(row, rowkindField));
    if (kind === undefined) {
      return `Column "${rowkindField}" must be one of ${kinds.join(", ")}: found ${shown(row, rowkindField)}`;
    }
    const key = keyField === "" ? undefined : getOwn(row, keyField);
    if (keyField !== "" && (key === undefined || key === null)) {
      return `Column "${keyField}" must hold the key of the row: found ${shown(row, keyField)}`;
    }
    return { kind, key };
  };
}

/** A row that does not say is an upsert. */
function kindOf(value: Value): RowChange["kind"] | undefined {
  if (value === undefined || value === null) return "upsert";
  return kinds.find((kind) => kind === value);
}

function shown(row: Struct, column: string): string {
  const value = getOwn(row, column);
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  return value === undefined || value === null ? "nothing" : `a ${typeof value === "object" ? "value" : typeof value}`;
}
