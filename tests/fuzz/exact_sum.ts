/**
 * Sums of floats as integers of any size: slow, and without a doubt.
 * @module
 */

/** The float nearest to the sum of finite floats; ties go to the even one. */
export function exactSum(values: readonly number[]): number {
  const total = values.reduce((sum, value) => sum + unitsOf(value), 0n);
  const size = total < 0n ? -total : total;
  const extraBits = size.toString(2).length - 53;
  if (extraBits <= 0) return Number(total) * Number.MIN_VALUE;
  const unit = 1n << BigInt(extraBits);
  const below = size % unit;
  let kept = size / unit;
  if (below * 2n > unit || (below * 2n === unit && kept % 2n === 1n)) kept++;
  return Number(total < 0n ? -kept : kept) * 2 ** (extraBits - 1074);
}

/** A finite float as a multiple of the smallest one, 2^-1074. */
function unitsOf(value: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, Math.abs(value));
  const bits = view.getBigUint64(0);
  const exponent = bits >> 52n;
  const fraction = bits & ((1n << 52n) - 1n);
  const units = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n);
  return value < 0 ? -units : units;
}
