/**
 * STRICT_VALIDATION: after decoding, every declared column is there and holds a value of its type.
 * @module
 */
import { RowError } from "../diagnostics/row_error.ts";
import { DateTime } from "../value/datetime.ts";
import { intMax, intMin, isStruct, kindOf, setOwn, type Struct, type Value } from "../value/value.ts";
import type { ColumnType, DefaultedColumn } from "./codec.ts";
import { bytesOfText } from "./column_reader.ts";

export interface StrictOptions {
  /** Reads a text of a datetime column by TIMESTAMP_FORMAT or the built-in formats; undefined when it is none. */
  readonly parseDateTime: (text: string) => DateTime | undefined;
}

/** Gives a new row of the declared columns; throws RowError E509. */
export type StrictValidator = (row: Struct) => Struct;

/**
 * The validator of one stream. `columns` are those that the rules use: only they are checked and kept.
 *
 * Numbers convert within their kind (an int column truncates a float toward zero), text never becomes a number. Null
 * stands in arrays, structs and for whole arrays and structs, but not in a bigint, float, boolean, string, datetime or
 * bytea column. A struct may lack keys; those with a default get it.
 */
export function createStrictValidator(columns: readonly DefaultedColumn[], options: StrictOptions): StrictValidator {
  const prepared = columns.map((column) => ({ ...column, fallback: defaultOf(column, options) }));
  return (row) => {
    const output: Struct = {};
    for (const { name, type, fallback } of prepared) {
      const value = Object.hasOwn(row, name) ? row[name] : undefined;
      if (value !== undefined) setOwn(output, name, convert(value, type, name, options));
      else if (fallback !== undefined) setOwn(output, name, fallback);
      else throw new RowError("E509", `field ${name} is not found`);
    }
    return output;
  };
}

/** As the column holds it: a float column has floats, also where its DEFAULT is written as `3`. */
function defaultOf({ name, type, default: value }: DefaultedColumn, options: StrictOptions): Value {
  return value === undefined ? undefined : convert(value, type, name, options);
}

function convert(value: Value, type: ColumnType, name: string, options: StrictOptions): Value {
  switch (type.kind) {
    case "bigint":
      if (typeof value === "bigint") return value;
      return typeof value === "number" ? truncated(value, name) : refuse(value, type, name);
    case "float":
      if (typeof value === "number") return value;
      return typeof value === "bigint" ? Number(value) : refuse(value, type, name);
    case "string":
      if (typeof value === "string") return value;
      return value instanceof Uint8Array ? new TextDecoder().decode(value) : refuse(value, type, name);
    case "boolean":
      return typeof value === "boolean" ? value : refuse(value, type, name);
    case "datetime":
      return dateTimeOf(value, options) ?? refuse(value, type, name);
    case "bytea":
      if (value instanceof Uint8Array) return value;
      return typeof value === "string" ? bytesOfText(value) : refuse(value, type, name);
    case "array":
      if (value === null) return null;
      if (!Array.isArray(value)) return refuse(value, type, name);
      return value.map((item, i) => nested(item, type.element, `${name}[${i}]`, options));
    case "struct":
      return value === null ? null : convertStruct(value, type, name, options);
  }
}

/** Inside arrays and structs null stays null. */
function nested(value: Value, type: ColumnType, name: string, options: StrictOptions): Value {
  return value === null || value === undefined ? null : convert(value, type, name, options);
}

function convertStruct(
  value: Value,
  type: Extract<ColumnType, { kind: "struct" }>,
  name: string,
  options: StrictOptions,
): Struct {
  const struct = typeof value === "string" ? parseStruct(value) : value;
  if (struct === undefined || !isStruct(struct)) return refuse(value, type, name);
  const output: Struct = {};
  for (const column of type.columns) {
    const item = Object.hasOwn(struct, column.name) ? struct[column.name] : column.default;
    if (item === undefined) continue;
    setOwn(output, column.name, nested(item, column.type, `${name}.${column.name}`, options));
  }
  return output;
}

function parseStruct(text: string): Value {
  try {
    return JSON.parse(text) as Value;
  } catch {
    return undefined;
  }
}

function truncated(value: number, name: string): bigint {
  const whole = Number.isFinite(value) ? BigInt(Math.trunc(value)) : undefined;
  if (whole !== undefined && whole >= intMin && whole <= intMax) return whole;
  throw new RowError("E509", `column "${name}" is declared bigint, found ${value}: outside 64 bits`);
}

function dateTimeOf(value: Value, { parseDateTime }: StrictOptions): DateTime | undefined {
  if (value instanceof DateTime) return value;
  if (typeof value === "bigint") return new DateTime(Number(value));
  if (typeof value === "number") return Number.isFinite(value) ? new DateTime(Math.trunc(value)) : undefined;
  return typeof value === "string" ? parseDateTime(value) : undefined;
}

function refuse(value: Value, type: ColumnType, name: string): never {
  throw new RowError("E509", `column "${name}" is declared ${type.kind}, found ${foundText(value)}`);
}

function foundText(value: Value): string {
  const kind = kindOf(value);
  return kind === "string" ? `the text ${JSON.stringify((value as string).slice(0, 60))}` : kind;
}
