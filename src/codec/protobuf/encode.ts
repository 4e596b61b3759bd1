/**
 * Writes rows as messages of Protocol Buffers.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { DateTime } from "../../value/datetime.ts";
import { isStruct, type Struct, type Value } from "../../value/value.ts";
import type { Encoder } from "../codec.ts";
import { bytesOfText } from "../column_reader.ts";
import {
  type ElementType,
  type EnumType,
  type Field,
  type IntKind,
  type MessageType,
  wireType,
} from "./message_type.ts";
import { wellKnown } from "./well_known.ts";
import { WireWriter } from "./wire_writer.ts";

/** Deeper nesting is refused instead of exhausting the stack. */
const depthMax = 256;

const utf8 = new TextEncoder();

/**
 * One row is one payload. Columns that the message does not have are dropped, null and absent ones left out. Throws
 * RowError E508 for a value that a field cannot hold, and for a required field that is absent.
 */
export function createMessageEncoder(type: MessageType): Encoder {
  const writer = new WireWriter();
  const encodeRow = (row: Struct) => writer.written(() => writeMessage(writer, type, row, "", 0));
  return {
    encodeRow,
    encodeRows(rows) {
      if (rows.length === 1) return encodeRow(rows[0]!);
      throw new RowError("E508", `Cannot encode ${rows.length} rows as one protobuf message: set sendSingle to true`);
    },
  };
}

/** @param path of the message in the row, with a point at its end; "" for the row */
function writeMessage(writer: WireWriter, type: MessageType, struct: Struct, path: string, depth: number): void {
  if (depth > depthMax) throw new RowError("E508", `Cannot encode a value nested over ${depthMax} levels deep`);
  for (const field of type.fields) {
    const value = Object.hasOwn(struct, field.name) ? struct[field.name] : undefined;
    if (value === undefined || (value === null && !holdsNull(field))) {
      if (field.isRequired) {
        throw new RowError("E508", `Cannot encode ${type.name}: the required field "${path}${field.name}" is absent`);
      }
      continue;
    }
    for (const other of field.alternatives) {
      // Of two, the reader would see the last one only; each pair is met twice.
      if (Object.hasOwn(struct, other) && struct[other] !== undefined && struct[other] !== null) {
        throw new RowError(
          "E508",
          `Cannot encode both "${path}${field.name}" and "${path}${other}": they exclude each other`,
        );
      }
    }
    writeField(writer, field, value, path + field.name, depth);
  }
}

/** A null is a value of its own in `google.protobuf.Value`. */
function holdsNull({ form, element }: Field): boolean {
  return form === "single" && element.kind === "message" && element.type.name === "google.protobuf.Value";
}

function writeField(writer: WireWriter, field: Field, value: Value, path: string, depth: number): void {
  const { number, element } = field;
  switch (field.form) {
    case "single":
      if (!field.hasPresence && isFallback(field, value)) return;
      return writeTagged(writer, number, element, value, path, depth);
    case "list":
      if (!Array.isArray(value)) refuse(value, "a list", path);
      return writeList(writer, field, value, path, depth);
    case "map":
      if (!isStruct(value)) refuse(value, "an object", path);
      for (const [key, item] of Object.entries(value)) {
        writer.tag(number, 2);
        writer.sized(() => {
          writeTagged(writer, 1, { kind: field.key! }, keyValue(field, key, path), `${path} (its key)`, depth);
          writeTagged(writer, 2, element, item ?? null, `${path}.${key}`, depth);
        });
      }
  }
}

/** What a reader takes an absent value for need not be written. */
function isFallback({ element }: Field, value: Value): boolean {
  switch (element.kind) {
    case "string":
      return value === "";
    case "bytes":
      return value === "" || (value instanceof Uint8Array && value.length === 0);
    case "bool":
      return value === false;
    case "double":
    case "float":
      return Object.is(value, 0) || value === 0n;
    case "enum":
      return wholeOf(typeof value === "string" ? element.type.numbers.get(value) : value) === 0n;
    case "message":
      return false;
    default:
      return wholeOf(value) === 0n;
  }
}

function writeList(writer: WireWriter, field: Field, list: readonly Value[], path: string, depth: number): void {
  const { number, element, isPacked } = field;
  if (!isPacked) {
    list.forEach((item, i) => writeTagged(writer, number, element, item ?? null, `${path}[${i}]`, depth));
  } else if (list.length > 0) {
    writer.tag(number, 2);
    writer.sized(() => list.forEach((item, i) => writeElement(writer, element, item ?? null, `${path}[${i}]`, depth)));
  }
}

function writeTagged(
  writer: WireWriter,
  number: number,
  element: ElementType,
  value: Value,
  path: string,
  depth: number,
): void {
  writer.tag(number, wireType(element));
  if (element.kind !== "message") return writeElement(writer, element, value, path, depth);
  const known = wellKnown.get(element.type.name);
  const message = known === undefined ? value : known.write(value);
  if (message === undefined || !isStruct(message)) refuse(value, element.type.name, path);
  const write = () => writeMessage(writer, element.type, message, `${path}.`, depth + 1);
  if (!element.isGroup) return writer.sized(write);
  write();
  writer.tag(number, 4);
}

function writeElement(writer: WireWriter, element: ElementType, value: Value, path: string, depth: number): void {
  switch (element.kind) {
    case "message":
      return writeTagged(writer, 0, element, value, path, depth);
    case "string": {
      const text = typeof value === "string" ? value : value instanceof DateTime ? value.toString() : undefined;
      if (text === undefined) refuse(value, "a text", path);
      return writeBytes(writer, utf8.encode(text));
    }
    case "bytes": {
      const bytes = value instanceof Uint8Array ? value : typeof value === "string" ? bytesOfText(value) : undefined;
      if (bytes === undefined) refuse(value, "bytes", path);
      return writeBytes(writer, bytes);
    }
    case "bool":
      if (typeof value !== "boolean") refuse(value, "true or false", path);
      return writer.varint32(value ? 1 : 0);
    case "double":
    case "float": {
      if (typeof value !== "number" && typeof value !== "bigint") refuse(value, "a number", path);
      return element.kind === "double" ? writer.double(Number(value)) : writer.float(Number(value));
    }
    case "enum":
      return writer.varint64(enumNumber(element.type, value, path));
    default:
      return writeInt(writer, element.kind, value, path);
  }
}

function writeBytes(writer: WireWriter, bytes: Uint8Array): void {
  writer.varint32(bytes.length);
  writer.bytes(bytes);
}

/** The smallest and the largest value of each kind. */
const ranges: Readonly<Record<IntKind, readonly [bigint, bigint]>> = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  sint32: [-(2n ** 31n), 2n ** 31n - 1n],
  sfixed32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  fixed32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  sint64: [-(2n ** 63n), 2n ** 63n - 1n],
  sfixed64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  fixed64: [0n, 2n ** 64n - 1n],
};

function writeInt(writer: WireWriter, kind: IntKind, value: Value, path: string): void {
  const int = wholeOf(value);
  if (int === undefined) refuse(value, `a whole number (${kind})`, path);
  const [min, max] = ranges[kind];
  if (int < min || int > max) throw new RowError("E508", `Cannot encode ${int} in field "${path}": outside of ${kind}`);
  switch (kind) {
    case "sint32":
    case "sint64":
      return writer.varint64(int < 0n ? -2n * int - 1n : 2n * int);
    case "fixed32":
    case "sfixed32":
      return writer.fixed32(Number(int));
    case "fixed64":
    case "sfixed64":
      return writer.fixed64(int);
    default:
      return writer.varint64(int);
  }
}

/** Numbers of JSON without schema are floats, whole ones too. A datetime is its Unix milliseconds. */
function wholeOf(value: Value): bigint | undefined {
  if (typeof value === "bigint") return value;
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : undefined;
  return value instanceof DateTime ? BigInt(value.ms) : undefined;
}

function enumNumber({ name, numbers }: EnumType, value: Value, path: string): bigint {
  const number = typeof value === "string" ? numbers.get(value) : wholeOf(value);
  if (number === undefined) refuse(value, `a number or a name of ${name}`, path);
  const [min, max] = ranges.int32;
  const whole = BigInt(number);
  if (whole < min || whole > max) {
    throw new RowError("E508", `Cannot encode ${whole} in field "${path}": outside of ${name}`);
  }
  return whole;
}

/** Keys of structs are texts, whatever they are in the message. */
function keyValue({ key }: Field, text: string, path: string): Value {
  if (key === "string") return text;
  if (key === "bool" && (text === "true" || text === "false")) return text === "true";
  if (key !== "bool" && /^-?[0-9]{1,20}$/.test(text)) return BigInt(text);
  return refuse(text, `keys of type ${key}`, path);
}

function refuse(value: Value, wanted: string, path: string): never {
  throw new RowError("E508", `Cannot encode field "${path}": found ${found(value)}, wanted ${wanted}`);
}

function found(value: Value): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "string") return `the text ${JSON.stringify(value.slice(0, 60))}`;
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return "a list";
  return value instanceof Uint8Array ? "bytes" : value instanceof DateTime ? "a datetime" : "an object";
}
