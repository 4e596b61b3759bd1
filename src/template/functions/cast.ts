/**
 * Any value as a number, the way the functions of numbers take them: what cannot be read as one counts as 0.
 * @module
 */
import { isStruct, type Value, wrapInt } from "../../value/value.ts";
import { fail } from "../run.ts";

/** Texts longer than any number. */
const digitsMax = 400;

/** A float without its fraction, a text read as an int (also `0x1f` and octal `010`), true as 1. */
export function toInt(value: Value, name: string): bigint {
  switch (typeof value) {
    case "bigint":
      return value;
    case "number":
      if (!Number.isFinite(value)) fail(`${name} cannot make an int of ${value}`);
      return wrapInt(BigInt(Math.trunc(value)));
    case "boolean":
      return value ? 1n : 0n;
    case "string":
      return readInt(value) ?? 0n;
  }
  refuseCollections(value, name);
  return 0n;
}

export function toFloat(value: Value, name: string): number {
  switch (typeof value) {
    case "bigint":
      return Number(value);
    case "number":
      return value;
    case "boolean":
      return value ? 1 : 0;
    case "string":
      return /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(value.slice(0, digitsMax)) ? Number(value) : 0;
  }
  refuseCollections(value, name);
  return 0;
}

function refuseCollections(value: Value, name: string): void {
  if (Array.isArray(value) || isStruct(value)) fail(`${name} takes numbers, not lists and maps`);
}

/** The int that a text stands for in one of Go's bases, or undefined. */
export function readInt(text: string): bigint | undefined {
  const [, sign, body] = /^([+-]?)((?:0[xX][0-9a-fA-F]+)|(?:0[bB][01]+)|(?:0[oO]?[0-7]+)|[1-9][0-9]*|0)$/.exec(
    text.slice(0, digitsMax),
  ) ?? [];
  if (body === undefined) return undefined;
  const value = BigInt(/^0[0-7]+$/.test(body) ? `0o${body}` : body) * (sign === "-" ? -1n : 1n);
  return BigInt.asIntN(64, value) === value ? value : undefined;
}
