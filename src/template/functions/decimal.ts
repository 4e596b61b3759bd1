/**
 * Floats added and multiplied as the decimal numbers they are written as, so that 0.1 and 0.2 make 0.3.
 * @module
 */
import { fail } from "../run.ts";

/** `digits / 10 ** scale`. */
export interface Decimal {
  readonly digits: bigint;
  readonly scale: number;
}

/** Digits behind the point that a division gives. */
const divisionDigits = 16;

export function decimalOf(value: number): Decimal {
  if (!Number.isFinite(value)) fail(`${value} is no decimal number`);
  const [mantissa, exponent = "0"] = String(value).split("e");
  const [whole, fraction = ""] = mantissa!.split(".");
  const scale = fraction.length - Number(exponent);
  const digits = BigInt(whole! + fraction);
  const isNegativeZero = digits === 0n;
  return scale >= 0 || isNegativeZero
    ? { digits, scale: Math.max(0, scale) }
    : { digits: digits * 10n ** BigInt(-scale), scale: 0 };
}

export function numberOf({ digits, scale }: Decimal): number {
  return Number(`${digits}e-${scale}`);
}

function aligned(a: Decimal, b: Decimal): { left: bigint; right: bigint; scale: number } {
  const scale = Math.max(a.scale, b.scale);
  return {
    left: a.digits * 10n ** BigInt(scale - a.scale),
    right: b.digits * 10n ** BigInt(scale - b.scale),
    scale,
  };
}

export function addDecimals(a: Decimal, b: Decimal): Decimal {
  const { left, right, scale } = aligned(a, b);
  return { digits: left + right, scale };
}

export function subtractDecimals(a: Decimal, b: Decimal): Decimal {
  const { left, right, scale } = aligned(a, b);
  return { digits: left - right, scale };
}

export function multiplyDecimals(a: Decimal, b: Decimal): Decimal {
  return { digits: a.digits * b.digits, scale: a.scale + b.scale };
}

/** Rounded to 16 digits behind the point, halves away from zero. */
export function divideDecimals(a: Decimal, b: Decimal): Decimal {
  const { left, right } = aligned(a, b);
  if (right === 0n) fail("division by zero");
  const numerator = (left < 0n ? -left : left) * 10n ** BigInt(divisionDigits);
  const denominator = right < 0n ? -right : right;
  const size = (2n * numerator + denominator) / (2n * denominator);
  return { digits: (left < 0n) === (right < 0n) ? size : -size, scale: divisionDigits };
}
