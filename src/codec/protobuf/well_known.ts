/**
 * Messages of Google's that stand for values: timestamps are datetimes, wrappers what they wrap, `Struct`, `Value` and
 * `ListValue` what they describe.
 * @module
 */
import { DateTime, isTimestamp } from "../../value/datetime.ts";
import { isStruct, type Struct, type Value } from "../../value/value.ts";
import type { ColumnType } from "../codec.ts";

export interface WellKnown {
  /** The type of a column that holds it. */
  readonly column: ColumnType;
  /** The value of a message; undefined when the message means nothing. */
  read(message: Struct): Value;
  /** The message of a value; undefined for a value that it cannot stand for. Structs may be the message itself. */
  write(value: Value): Struct | undefined;
}

const anyStruct: ColumnType = { kind: "struct", columns: [] };

function wrapper(kind: "bigint" | "float" | "boolean" | "string" | "bytea"): WellKnown {
  return { column: { kind }, read: ({ value }) => value, write: (value) => ({ value }) };
}

const timestamp: WellKnown = {
  column: { kind: "datetime" },
  read({ seconds, nanos }) {
    const ms = Number(seconds) * 1000 + Math.floor(Number(nanos) / 1e6);
    return isTimestamp(ms) ? new DateTime(ms) : undefined;
  },
  write(value) {
    if (isStruct(value)) return value;
    const ms = value instanceof DateTime
      ? value.ms
      : typeof value === "string"
      ? Date.parse(value)
      : typeof value === "bigint" || typeof value === "number"
      ? Number(value)
      : NaN;
    if (!isTimestamp(ms)) return undefined;
    const seconds = Math.floor(ms / 1000);
    return { seconds: BigInt(seconds), nanos: BigInt(Math.floor((ms - seconds * 1000) * 1e6)) };
  },
};

const struct: WellKnown = {
  column: anyStruct,
  read: ({ fields }) => fields,
  write: (value) => isStruct(value) ? { fields: value } : undefined,
};

const list: WellKnown = {
  column: { kind: "array", element: anyStruct },
  read: ({ values }) => values,
  write: (value) => Array.isArray(value) ? { values: value } : undefined,
};

const value: WellKnown = {
  column: anyStruct,
  read(message) {
    const [kind] = Object.keys(message);
    return kind === undefined || kind === "null_value" ? null : message[kind];
  },
  write(value) {
    switch (typeof value) {
      case "undefined":
        return { null_value: 0n };
      case "string":
        return { string_value: value };
      case "boolean":
        return { bool_value: value };
      case "number":
      case "bigint":
        return { number_value: Number(value) };
    }
    if (value === null) return { null_value: 0n };
    if (value instanceof Uint8Array) return { string_value: value.toBase64() };
    if (value instanceof DateTime) return { string_value: value.toString() };
    return Array.isArray(value) ? { list_value: value } : { struct_value: value };
  },
};

export const wellKnown: ReadonlyMap<string, WellKnown> = new Map([
  ["google.protobuf.Timestamp", timestamp],
  ["google.protobuf.Struct", struct],
  ["google.protobuf.ListValue", list],
  ["google.protobuf.Value", value],
  ["google.protobuf.DoubleValue", wrapper("float")],
  ["google.protobuf.FloatValue", wrapper("float")],
  ["google.protobuf.Int64Value", wrapper("bigint")],
  ["google.protobuf.UInt64Value", wrapper("bigint")],
  ["google.protobuf.Int32Value", wrapper("bigint")],
  ["google.protobuf.UInt32Value", wrapper("bigint")],
  ["google.protobuf.BoolValue", wrapper("boolean")],
  ["google.protobuf.StringValue", wrapper("string")],
  ["google.protobuf.BytesValue", wrapper("bytea")],
]);
