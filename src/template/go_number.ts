/**
 * Floats as text with a chosen number of digits, rounded as Go does it: exactly, halves to the even digit.
 * @module
 */
import { plainFloat } from "../value/plain_text.ts";

/** A finite, non-negative float as `mantissa * 2 ** exponent`. */
function parts(value: number): { mantissa: bigint; exponent: number } {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const biased = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  return biased === 0
    ? { mantissa: fraction, exponent: -1074 }
    : { mantissa: fraction | 0x10000000000000n, exponent: biased - 1075 };
}

/** `value * 10 ** digits` as a whole number, half to even. */
function scaled(value: number, digits: number): bigint {
  const { mantissa, exponent } = parts(value);
  let numerator = mantissa * 10n ** BigInt(Math.max(0, digits));
  let denominator = 10n ** BigInt(Math.max(0, -digits));
  if (exponent >= 0) numerator <<= BigInt(exponent);
  else denominator <<= BigInt(-exponent);
  const quotient = numerator / denominator;
  const twice = 2n * (numerator % denominator);
  return twice > denominator || (twice === denominator && quotient % 2n === 1n) ? quotient + 1n : quotient;
}

/** No float has more digits behind the point. */
const digitsMax = 1100;

/** `%f`: a finite, non-negative float with exactly `digits` digits behind the point. */
export function fixedFloat(value: number, digits: number): string {
  const exact = Math.min(digits, digitsMax);
  const text = String(scaled(value, exact)).padStart(exact + 1, "0");
  const whole = text.slice(0, text.length - exact);
  return digits === 0 ? whole : `${whole}.${text.slice(text.length - exact)}${"0".repeat(digits - exact)}`;
}

/** The first `count` digits of a finite, positive float, and the power of ten of the first of them. */
function leadingDigits(value: number, count: number): { digits: string; power: number } {
  const exact = Math.min(count, digitsMax);
  let power = Number(value.toExponential().split("e")[1]);
  let digits = String(scaled(value, exact - 1 - power));
  if (digits.length > exact) {
    // 9.99 became 10.0.
    digits = digits.slice(0, exact);
    power++;
  }
  return { digits: digits.padEnd(count, "0"), power };
}

function exponentText(power: number): string {
  const size = String(Math.abs(power)).padStart(2, "0");
  return `e${power < 0 ? "-" : "+"}${size}`;
}

/** `%e`: one digit in front of the point and `digits` behind it, of a finite, non-negative float. */
export function exponentFloat(value: number, digits: number): string {
  const { digits: all, power } = value === 0
    ? { digits: "0".repeat(digits + 1), power: 0 }
    : leadingDigits(value, digits + 1);
  return (digits === 0 ? all : `${all[0]}.${all.slice(1)}`) + exponentText(power);
}

/** `%g`: the shorter of both notations; without `digits` the fewest that read back as the same float. */
export function generalFloat(value: number, digits: number | undefined, keepZeros: boolean): string {
  if (digits === undefined && !keepZeros) return plainFloat(value);
  const count = Math.max(1, digits ?? 6);
  if (value === 0) return keepZeros && count > 1 ? `0.${"0".repeat(count - 1)}` : "0";
  const { digits: all, power } = leadingDigits(value, count);
  const kept = keepZeros ? all : all.replace(/0+$/, "");
  const limit = count > kept.length && kept.length >= power + 1 ? kept.length : count;
  if (power < -4 || power >= Math.max(limit, keepZeros ? count : 0)) {
    return (kept.length > 1 ? `${kept[0]}.${kept.slice(1)}` : kept) + exponentText(power);
  }
  if (power < 0) return `0.${"0".repeat(-power - 1)}${kept}`;
  const whole = kept.slice(0, power + 1).padEnd(power + 1, "0");
  const fraction = kept.slice(power + 1);
  return fraction === "" ? whole : `${whole}.${fraction}`;
}
