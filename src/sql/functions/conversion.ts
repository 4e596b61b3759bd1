/**
 * The widest conversion between kinds of values, which `cast` makes. Undefined stands for "impossible".
 * @module
 */
import { floatText } from "../../value/float_text.ts";
import { plainText } from "../../value/plain_text.ts";
import { intMax, intMin, type Value } from "../../value/value.ts";
import { decodeBase64 } from "./base64.ts";

const decimalInt = /^[+-]?\d+$/;
const prefixedInt = /^([+-]?)(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+)$/;
const decimalFloat = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** An int from a number (truncated toward zero), a text in decimal or with `0x`, `0o`, `0b`, or a boolean. */
export function toInt(value: Value): bigint | undefined {
  switch (typeof value) {
    case "bigint":
      return value;
    case "number":
      return Number.isFinite(value) ? inRange(BigInt(Math.trunc(value))) : undefined;
    case "boolean":
      return value ? 1n : 0n;
    case "string": {
      if (value.length > 70) return undefined;
      if (decimalInt.test(value)) return inRange(BigInt(value.replace("+", "")));
      const [, sign, digits] = prefixedInt.exec(value) ?? [];
      return digits === undefined ? undefined : inRange(sign === "-" ? -BigInt(digits) : BigInt(digits));
    }
    default:
      return undefined;
  }
}

function inRange(value: bigint): bigint | undefined {
  return value >= intMin && value <= intMax ? value : undefined;
}

/** A float from a number, a decimal text or a boolean. */
export function toFloat(value: Value): number | undefined {
  switch (typeof value) {
    case "number":
      return value;
    case "bigint":
      return Number(value);
    case "boolean":
      return value ? 1 : 0;
    case "string": {
      if (!decimalFloat.test(value)) return undefined;
      const float = Number(value);
      return Number.isFinite(float) ? float : undefined;
    }
    default:
      return undefined;
  }
}

/** Anything as text: bytes as UTF-8, floats without exponent, the rest as its plain text. */
export function toText(value: Value): string {
  if (typeof value === "number") return floatText(value);
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : plainText(value);
}

const trueTexts = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const falseTexts = new Set(["0", "f", "F", "false", "FALSE", "False"]);

/** A boolean from any number, or from the texts that mean true or false. */
export function toBoolean(value: Value): boolean | undefined {
  switch (typeof value) {
    case "boolean":
      return value;
    case "number":
      return value !== 0;
    case "bigint":
      return value !== 0n;
    case "string":
      return trueTexts.has(value) ? true : falseTexts.has(value) ? false : undefined;
    default:
      return undefined;
  }
}

/** Bytes as they are; a text is read as base64 if it is that, else its UTF-8 bytes are taken. */
export function toBytes(value: Value): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  return typeof value === "string" ? decodeBase64(value) ?? new TextEncoder().encode(value) : undefined;
}
