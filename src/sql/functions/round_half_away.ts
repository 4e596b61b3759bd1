/**
 * Rounding a float to decimals as one does on paper.
 * @module
 */

/**
 * `x` rounded to `digits` decimals (before the point when negative), halves away from zero. What is rounded is the
 * shortest decimal text of `x`, so that 1.005 becomes 1.01 although the double is a little below it.
 */
export function roundHalfAway(x: number, digits: number): number {
  if (!Number.isFinite(x) || digits > 400) return x;
  if (digits < -400) return 0;
  const rounded = Math.round(shift(Math.abs(x), digits));
  const size = shift(rounded, -digits);
  return x < 0 ? -size : size;
}

/** `x * 10 ** digits` without the rounding error that a product would add. */
function shift(x: number, digits: number): number {
  const [mantissa, exponent = "0"] = String(x).split("e");
  return Number(`${mantissa}e${Number(exponent) + digits}`);
}
