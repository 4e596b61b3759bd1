/**
 * The commands by which a row gets into Redis, or is taken out.
 * @module
 */
import type { Struct, Value } from "../../src/connector/source.ts";
import { floatText } from "../../src/value/float_text.ts";
import { JsonWriter } from "../../src/value/json_text.ts";
import { plainText } from "../../src/value/plain_text.ts";
import { getOwn, isStruct } from "../../src/value/value.ts";
import type { Command } from "./client.ts";

/** How rows become keys and values. */
export interface RowForm {
  /** `multiple`: each column is a key of its own. */
  readonly keyType: "single" | "multiple";
  /** The column that holds the key; empty: the key is given. */
  readonly field: string;
  readonly dataType: "string" | "list";
  /** Milliseconds that a key lives; undefined for ever. */
  readonly expirationMs: number | undefined;
  /** The column that says what happens to the key; empty: it is set. */
  readonly rowkindField: string;
}

const kinds = ["insert", "update", "upsert", "delete"];

/** The commands of one row, or what is wrong with it. `key` is the one for rows that hold none. */
export function rowCommands(form: RowForm, row: Struct, key: string, json: JsonWriter): Command[] | string {
  const { rowkindField, keyType, field } = form;
  const kind = rowkindField === "" ? undefined : getOwn(row, rowkindField);
  // A row that does not say is an upsert.
  if (kind !== undefined && kind !== null && !kinds.includes(kind as string)) {
    return `Column "${rowkindField}" must be one of ${kinds.join(", ")}: found ${shown(kind)}`;
  }
  const change = (key: string, value: () => string | Uint8Array) =>
    kind === "delete" ? removal(form, key) : setting(form, key, value());
  if (keyType === "multiple") {
    const columns = Object.keys(row).filter((name) => name !== rowkindField && row[name] !== undefined);
    return columns.flatMap((name) => change(name, () => valueText(row[name], json)));
  }
  const own = field === "" ? key : keyText(getOwn(row, field));
  if (own === undefined) return `Column "${field}" must hold the key: found ${shown(getOwn(row, field))}`;
  if (own === "") return "The key is empty";
  return change(own, () => json.text(row));
}

function setting({ dataType, expirationMs }: RowForm, key: string, value: string | Uint8Array): Command[] {
  if (dataType === "string") {
    return [expirationMs === undefined ? ["set", key, value] : ["set", key, value, "PX", expirationMs]];
  }
  const push: Command = ["lpush", key, value];
  return expirationMs === undefined ? [push] : [push, ["pexpire", key, expirationMs]];
}

function removal({ dataType }: RowForm, key: string): Command[] {
  return [dataType === "string" ? ["del", key] : ["lpop", key]];
}

/** A value as a key, or undefined for one that makes none. */
export function keyText(value: Value): string | undefined {
  switch (typeof value) {
    case "string":
      return value;
    case "bigint":
    case "boolean":
      return String(value);
    case "number":
      return Number.isFinite(value) ? floatText(value) : undefined;
    default:
      return undefined;
  }
}

/** A column as a value of its own: text and bytes as they are, lists and structs as JSON. */
function valueText(value: Value, json: JsonWriter): string | Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (Array.isArray(value) || isStruct(value)) return json.text(value);
  return keyText(value) ?? plainText(value);
}

function shown(value: Value): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  return value === undefined || value === null ? "nothing" : `a ${typeof value === "object" ? "value" : typeof value}`;
}
