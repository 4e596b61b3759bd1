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
  const size = Math.abs(x);
  const rounded = quickly(size, digits) ?? byText(size, digits);
  return x < 0 ? -rounded : rounded;
}

/** Powers of ten that a double holds exactly. */
const powers = Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);

/**
 * The same by a product, some ten times quicker. Undefined where its error could decide, which is near a half, and where
 * whole numbers are not exact.
 */
function quickly(size: number, digits: number): number | undefined {
  const power = powers[digits];
  if (power === undefined) return undefined;
  const product = size * power;
  if (product >= 2 ** 52) return undefined;
  const down = Math.floor(product);
  // The text of `size` and the product are each off by half a unit in the last place at most: 2^-53 of it.
  if (Math.abs(product - down - 0.5) <= product * 2 ** -51) return undefined;
  // A quotient of two exact numbers is the double nearest to the decimal number, as its text would be read.
  return (product - down > 0.5 ? down + 1 : down) / power;
}

function byText(size: number, digits: number): number {
  const shifted = shift(size, digits);
  // A double has no digits so far behind the point.
  return shifted === Infinity ? size : shift(Math.round(shifted), -digits);
}

/** `x * 10 ** digits` without the rounding error that a product would add. */
function shift(x: number, digits: number): number {
  const [mantissa, exponent = "0"] = String(x).split("e");
  return Number(`${mantissa}e${Number(exponent) + digits}`);
}
