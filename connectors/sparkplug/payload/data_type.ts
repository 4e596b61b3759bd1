/**
 * Data types of Sparkplug B, and the values that they give.
 * @module
 */
import type { Struct, Value } from "../../../src/connector/source.ts";
import { DateTime } from "../../../src/value/datetime.ts";
import { intMax, setOwn } from "../../../src/value/value.ts";
import type { RawDataSet, RawMetric, RawProperties, RawTemplate, RawValue } from "./payload.ts";
import { BadPayload } from "./wire_reader.ts";

/** Numbers of data types by their names in the specification. */
export const dataTypes = {
  Int8: 1,
  Int16: 2,
  Int32: 3,
  Int64: 4,
  UInt8: 5,
  UInt16: 6,
  UInt32: 7,
  UInt64: 8,
  Float: 9,
  Double: 10,
  Boolean: 11,
  String: 12,
  DateTime: 13,
  Text: 14,
  UUID: 15,
  DataSet: 16,
  Bytes: 17,
  File: 18,
  Template: 19,
  PropertySet: 20,
  PropertySetList: 21,
  Int8Array: 22,
  Int16Array: 23,
  Int32Array: 24,
  Int64Array: 25,
  UInt8Array: 26,
  UInt16Array: 27,
  UInt32Array: 28,
  UInt64Array: 29,
  FloatArray: 30,
  DoubleArray: 31,
  BooleanArray: 32,
  StringArray: 33,
  DateTimeArray: 34,
} as const;

const names = new Map<number, string>(Object.entries(dataTypes).map(([name, number]) => [number, name]));

/** Bits of signed and unsigned whole numbers by their data type. */
const signed: ReadonlyMap<number, number> = new Map([[1, 8], [2, 16], [3, 32], [4, 64]]);
const unsigned: ReadonlyMap<number, number> = new Map([[5, 8], [6, 16], [7, 32], [8, 64]]);
const firstArray = dataTypes.Int8Array;

/** `Int32`, or the number of one that is not known. */
export function dataTypeName(type: number): string {
  return names.get(type) ?? String(type);
}

/**
 * The value of a metric, parameter or property. Without a type it is what its field says, numbers unsigned.
 *
 * @throws {BadPayload} when value and type do not go together
 */
export function valueOf(raw: RawValue | undefined, type: number | undefined): Value {
  if (raw === undefined) return null;
  if (type !== undefined && type >= firstArray && raw.in === "bytes") return arrayOf(raw.value, type);
  switch (raw.in) {
    case "int":
    case "long":
      return integerOf(raw.value, type);
    case "float":
      return shortestFloat32(raw.value);
    case "double":
    case "boolean":
    case "string":
    case "bytes":
      return raw.value;
    case "dataset":
      return rowsOf(raw.value);
    case "template":
      return structOfTemplate(raw.value);
    case "properties":
      return structOfProperties(raw.value);
    case "property list":
      return raw.value.map(structOfProperties);
    case "extension":
      return null;
  }
}

/** Some write a negative number of few bits with many, some do not; some write whole numbers for floats. */
function integerOf(value: bigint, type: number | undefined): Value {
  const bits = type === undefined ? undefined : signed.get(type);
  if (bits !== undefined) return BigInt.asIntN(bits, value);
  if (type === dataTypes.DateTime) return dateTimeOf(value);
  if (type === dataTypes.Boolean) return value !== 0n;
  if (type === dataTypes.Float || type === dataTypes.Double) return Number(BigInt.asIntN(64, value));
  return unsignedOf(BigInt.asUintN(unsigned.get(type ?? 0) ?? 64, value));
}

/** What is too large for an int becomes a float, which is nearly right, and not a negative number. */
function unsignedOf(value: bigint): Value {
  return value > intMax ? Number(value) : value;
}

/** 0.1 for the float nearest to it, and not 0.10000000149011612. */
function shortestFloat32(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

function dateTimeOf(ms: bigint): Value {
  const value = Number(BigInt.asIntN(64, ms));
  if (Math.abs(value) > 8.64e15) throw new BadPayload(`${value} is no time`);
  return new DateTime(value, "UTC");
}

function rowsOf({ columns, types, rows }: RawDataSet): Value {
  return rows.map((row) => {
    const made: Struct = {};
    row.forEach((value, index) => setOwn(made, columns[index]!, valueOf(value, types[index])));
    return made;
  });
}

/** Its metrics by name, and its parameters where no metric has their name. */
function structOfTemplate({ metrics, parameters }: RawTemplate): Struct {
  const made: Struct = {};
  for (const { name = "", type, value } of parameters) setOwn(made, name, valueOf(value, type));
  for (const metric of metrics) setOwn(made, metric.name ?? "", metricValue(metric, metric.datatype));
  return made;
}

/** The value of a metric whose data type its birth has told. */
export function metricValue({ isNull, value }: RawMetric, type: number | undefined): Value {
  return isNull === true ? null : valueOf(value, type);
}

export function structOfProperties({ keys, values }: RawProperties): Struct {
  const made: Struct = {};
  keys.forEach((key, index) => {
    const { isNull, type, value } = values[index]!;
    setOwn(made, key, isNull === true ? null : valueOf(value, type));
  });
  return made;
}

/** Arrays stand in bytes, the lowest first; flags eight to a byte behind their number, texts with a zero byte each. */
function arrayOf(bytes: Uint8Array, type: number): Value {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const each = (size: number, read: (at: number) => Value): Value => {
    if (bytes.length % size !== 0) throw new BadPayload(`${bytes.length} bytes are no ${dataTypeName(type)}`);
    return Array.from({ length: bytes.length / size }, (_, index) => read(index * size));
  };
  switch (type) {
    case dataTypes.Int8Array:
      return each(1, (at) => BigInt(view.getInt8(at)));
    case dataTypes.Int16Array:
      return each(2, (at) => BigInt(view.getInt16(at, true)));
    case dataTypes.Int32Array:
      return each(4, (at) => BigInt(view.getInt32(at, true)));
    case dataTypes.Int64Array:
      return each(8, (at) => view.getBigInt64(at, true));
    case dataTypes.UInt8Array:
      return each(1, (at) => BigInt(view.getUint8(at)));
    case dataTypes.UInt16Array:
      return each(2, (at) => BigInt(view.getUint16(at, true)));
    case dataTypes.UInt32Array:
      return each(4, (at) => BigInt(view.getUint32(at, true)));
    case dataTypes.UInt64Array:
      return each(8, (at) => unsignedOf(view.getBigUint64(at, true)));
    case dataTypes.FloatArray:
      return each(4, (at) => shortestFloat32(view.getFloat32(at, true)));
    case dataTypes.DoubleArray:
      return each(8, (at) => view.getFloat64(at, true));
    case dataTypes.DateTimeArray:
      return each(8, (at) => dateTimeOf(view.getBigUint64(at, true)));
    case dataTypes.BooleanArray:
      return flagsOf(bytes, view);
    case dataTypes.StringArray:
      return textsOf(bytes);
    default:
      return bytes;
  }
}

function flagsOf(bytes: Uint8Array, view: DataView): Value {
  const count = bytes.length < 4 ? -1 : view.getUint32(0, true);
  if (count < 0 || Math.ceil(count / 8) !== bytes.length - 4) {
    throw new BadPayload(`${bytes.length} bytes are no BooleanArray`);
  }
  return Array.from({ length: count }, (_, index) => (bytes[4 + (index >> 3)]! >> (7 - (index & 7)) & 1) === 1);
}

function textsOf(bytes: Uint8Array): Value {
  if (bytes.length === 0) return [];
  if (bytes.at(-1) !== 0) throw new BadPayload("a StringArray does not end with a zero byte");
  return new TextDecoder().decode(bytes.subarray(0, -1)).split("\0");
}
