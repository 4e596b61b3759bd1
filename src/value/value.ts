/**
 * The values that flow through rules, and the kinds they belong to.
 *
 * The dialect tells int from float per value, so an int is a JavaScript `bigint` and a float a `number`. `undefined`
 * means "no such column", `null` "present, null"; expressions treat both as null.
 * @module
 */
import { DateTime } from "./datetime.ts";

/** Any value of a column. */
export type Value = null | undefined | boolean | number | bigint | string | DateTime | Uint8Array | ValueArray | Struct;

/** A list of values. */
export type ValueArray = Value[];

/** A string-keyed map: a row's columns, or a nested object. */
export interface Struct {
  [key: string]: Value;
}

/** The kind of one value at run time. */
export type Kind = "null" | "int" | "float" | "string" | "boolean" | "datetime" | "bytea" | "array" | "struct";

/** The kind of `value`. */
export function kindOf(value: Value): Kind {
  switch (typeof value) {
    case "number":
      return "float";
    case "bigint":
      return "int";
    case "string":
      return "string";
    case "boolean":
      return "boolean";
    case "undefined":
      return "null";
    default:
      if (value === null) return "null";
      if (Array.isArray(value)) return "array";
      if (value instanceof Uint8Array) return "bytea";
      if (value instanceof DateTime) return "datetime";
      return "struct";
  }
}

export function isStruct(value: Value): value is Struct {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array) &&
    !(value instanceof DateTime);
}

/**
 * The column `key` of `struct`, never something inherited from `Object.prototype`.
 * Device data may well have a column called `constructor`.
 */
export function getOwn(struct: Struct, key: string): Value {
  return Object.hasOwn(struct, key) ? struct[key] : undefined;
}

/** Sets an own property, also for the name `__proto__`. */
export function setOwn(struct: Struct, key: string, value: Value): void {
  if (key === "__proto__") {
    Object.defineProperty(struct, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    struct[key] = value;
  }
}

/** Wraps to 64 bits, as int arithmetic does. */
export function wrapInt(value: bigint): bigint {
  return BigInt.asIntN(64, value);
}

export const intMax = 9223372036854775807n;
export const intMin = -9223372036854775808n;
