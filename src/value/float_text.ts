/**
 * Floats as decimal text without an exponent: what `cast(x, "string")` gives.
 * @module
 */

/** The fewest digits that read back as `value`, never with an exponent: `1234567`, `0.00001`; `NaN`, `+Inf`, `-Inf`. */
export function floatText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  if (value === 0) return 1 / value < 0 ? "-0" : "0";
  const text = String(value);
  const e = text.indexOf("e");
  if (e === -1) return text;
  const sign = text.startsWith("-") ? "-" : "";
  const [whole, fraction = ""] = text.slice(sign.length, e).split(".") as [string, string?];
  const exponent = Number(text.slice(e + 1));
  const digits = whole + fraction;
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  return sign + digits + "0".repeat(exponent - fraction.length);
}
