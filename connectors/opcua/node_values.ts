/**
 * Values of nodes: those of the library to those of rows, and back.
 * @module
 */
import type { DataValue, Variant, VariantOptions } from "node-opcua-client";
import { Buffer } from "node:buffer";
import { DateTime, isTimestamp } from "../../src/value/datetime.ts";
import { intMax, intMin, isStruct, setOwn, type Struct, type Value } from "../../src/value/value.ts";

/** A value that does not go with its node. */
export class BadValue extends Error {
  constructor(message: string) {
    super(message);
    this.name = "BadValue";
  }
}

/** Numbers of built-in data types (OPC UA part 6, table 1). */
export const builtIn = {
  Boolean: 1,
  SByte: 2,
  Byte: 3,
  Int16: 4,
  UInt16: 5,
  Int32: 6,
  UInt32: 7,
  Int64: 8,
  UInt64: 9,
  Float: 10,
  Double: 11,
  String: 12,
  DateTime: 13,
  Guid: 14,
  ByteString: 15,
  XmlElement: 16,
  LocalizedText: 21,
} as const;

export type BuiltInName = keyof typeof builtIn;

const ranges: Readonly<Record<number, readonly [min: bigint, max: bigint]>> = {
  [builtIn.SByte]: [-128n, 127n],
  [builtIn.Byte]: [0n, 255n],
  [builtIn.Int16]: [-32_768n, 32_767n],
  [builtIn.UInt16]: [0n, 65_535n],
  [builtIn.Int32]: [-2_147_483_648n, 2_147_483_647n],
  [builtIn.UInt32]: [0n, 4_294_967_295n],
  [builtIn.Int64]: [intMin, intMax],
  [builtIn.UInt64]: [0n, 2n ** 64n - 1n],
};
const maxFloat32 = 3.4028234663852886e38;

/** A value, or why there is none that is good; an uncertain one has both. */
export interface Reading {
  readonly value: Value;
  readonly failure?: string;
  /** Unix milliseconds of the device, or of the server where the device says none. */
  readonly timestamp?: number;
}

/** What the status says: the two highest bits are zero for good, and one for uncertain values. */
export function readingOf({ statusCode, value, sourceTimestamp, serverTimestamp }: DataValue): Reading {
  const time = (sourceTimestamp ?? serverTimestamp)?.getTime();
  const timestamp = time === undefined || !isTimestamp(time) ? {} : { timestamp: time };
  const severity = statusCode.value >>> 30;
  if (severity > 1) return { value: null, failure: statusCode.name, ...timestamp };
  try {
    const found = valueOf(value);
    if (typeof found === "number" && !Number.isFinite(found)) {
      return { value: null, failure: `${found} is no number`, ...timestamp };
    }
    return { value: found, ...(severity === 1 ? { failure: statusCode.name } : {}), ...timestamp };
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    return { value: null, failure: error.message, ...timestamp };
  }
}

function valueOf(variant: Pick<Variant, "dataType" | "arrayType" | "value" | "dimensions"> | null | undefined): Value {
  if (variant === null || variant === undefined || variant.value === null || variant.value === undefined) return null;
  const type = Number(variant.dataType);
  // Scalar, array, matrix.
  if (Number(variant.arrayType) === 0) return scalarOf(variant.value, type);
  const items = Array.from(variant.value as ArrayLike<unknown>, (item) => scalarOf(item, type));
  return Number(variant.arrayType) === 1 ? items : nested(items, variant.dimensions ?? []);
}

function nested(items: Value[], dimensions: readonly number[]): Value {
  const [, ...inner] = dimensions;
  if (inner.length === 0) return items;
  const size = inner.reduce((product, each) => product * each, 1);
  const rows: Value[] = [];
  for (let at = 0; size > 0 && at < items.length; at += size) rows.push(nested(items.slice(at, at + size), inner));
  return rows;
}

function scalarOf(value: unknown, type: number): Value {
  if (value === null || value === undefined) return null;
  if (type === builtIn.Float) return shortestFloat32(value as number);
  // Two halves of 32 bits, the higher one first.
  if (type === builtIn.Int64 || type === builtIn.UInt64) return longOf(value as readonly [number, number], type);
  if (ranges[type] !== undefined) return BigInt(value as number);
  if (type === builtIn.DateTime) {
    const ms = (value as Date).getTime();
    return isTimestamp(ms) ? new DateTime(ms, "UTC") : null;
  }
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (typeof value === "string" || typeof value === "boolean" || typeof value === "number") return value;
  return objectOf(value as object);
}

function longOf([high, low]: readonly [number, number], type: number): Value {
  const value = BigInt(high >>> 0) << 32n | BigInt(low >>> 0);
  if (type === builtIn.Int64) return BigInt.asIntN(64, value);
  // What is too large for an int becomes a float, which is nearly right, and not a negative number.
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

/** Texts of several languages are their text, names and numbers of nodes a text, structures structs. */
function objectOf(value: object): Value {
  if ("text" in value && "locale" in value) return (value as { readonly text: string | null }).text ?? null;
  const { constructor: { name } } = value;
  if (["NodeId", "ExpandedNodeId", "QualifiedName", "StatusCode", "ConstantStatusCode"].includes(name)) {
    return String(value);
  }
  if (name.startsWith("Opaque")) throw new BadValue("a structure of an unknown type");
  const made: Struct = {};
  for (const [key, part] of Object.entries(value)) {
    if (typeof part === "function" || key === "schema") continue;
    setOwn(made, key, partOf(part));
  }
  return made;
}

/** Inside structures, the library has converted values already and says no types. */
function partOf(part: unknown): Value {
  if (part === null || part === undefined) return null;
  if (typeof part === "number") return Number.isSafeInteger(part) ? BigInt(part) : part;
  if (typeof part === "string" || typeof part === "boolean" || typeof part === "bigint") return part;
  if (part instanceof Date) return isTimestamp(part.getTime()) ? new DateTime(part.getTime(), "UTC") : null;
  if (part instanceof Uint8Array) return new Uint8Array(part);
  if (Array.isArray(part) || ArrayBuffer.isView(part)) return Array.from(part as unknown as ArrayLike<unknown>, partOf);
  return objectOf(part as object);
}

/**
 * What is written to a node of the built-in data type `type`; a list makes an array.
 *
 * @throws {BadValue}
 */
export function variantOf(value: Value, type: number, name: string): VariantOptions {
  if (Array.isArray(value)) {
    return { dataType: type, arrayType: 1, value: value.map((item) => encoded(item, type, name)) };
  }
  return { dataType: type, arrayType: 0, value: encoded(value, type, name) };
}

function encoded(value: Value, type: number, name: string): unknown {
  const range = ranges[type];
  if (range !== undefined) return encodedInteger(value, type, range, name);
  switch (type) {
    case builtIn.Boolean:
      if (typeof value === "boolean") return value;
      break;
    case builtIn.Float:
    case builtIn.Double: {
      const number = typeof value === "bigint" ? Number(value) : value;
      if (typeof number !== "number" || !Number.isFinite(number)) break;
      if (type === builtIn.Double || Math.abs(number) <= maxFloat32) return number;
      break;
    }
    case builtIn.String:
    case builtIn.XmlElement:
    case builtIn.Guid:
      if (typeof value === "string") return value;
      break;
    case builtIn.LocalizedText:
      if (typeof value === "string") return { text: value, locale: null };
      break;
    case builtIn.ByteString:
      if (value instanceof Uint8Array) return Buffer.from(value);
      break;
    case builtIn.DateTime: {
      const time = dateOf(value);
      if (time !== undefined) return time;
    }
  }
  throw new BadValue(`${shown(value)} is no ${name}`);
}

function encodedInteger(value: Value, type: number, [min, max]: readonly [bigint, bigint], name: string): unknown {
  const integer = typeof value === "number" && Number.isInteger(value) ? BigInt(value) : value;
  if (typeof integer !== "bigint" || integer < min || integer > max) {
    throw new BadValue(`${shown(value)} is no ${name}`);
  }
  if (type !== builtIn.Int64 && type !== builtIn.UInt64) return Number(integer);
  const bits = BigInt.asUintN(64, integer);
  return [Number(bits >> 32n), Number(bits & 0xffff_ffffn)];
}

function dateOf(value: Value): Date | undefined {
  if (value instanceof DateTime) return new Date(value.ms);
  if (typeof value === "bigint" && isTimestamp(Number(value))) return new Date(Number(value));
  if (typeof value !== "string" || Number.isNaN(Date.parse(value))) return undefined;
  return new Date(value);
}

function shown(value: Value): string {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (isStruct(value) || Array.isArray(value)) return "a list or struct";
  return typeof value === "string" ? JSON.stringify(value.slice(0, 50)) : String(value);
}
