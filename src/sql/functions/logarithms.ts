/**
 * Powers, roots and logarithms.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { defineFunction, float } from "./declare.ts";

export const exp = defineFunction({
  name: "exp",
  category: "math",
  returns: "float",
  nulls: "propagate",
  params: [float("x")],
  doc: "e to the power of `x`.",
  examples: [
    { sql: "exp(0)", gives: 1 },
    { sql: "exp(x)", gives: null },
    { sql: "exp('a')", fails: "E205" },
  ],
  compile: () => Math.exp,
});

export const ln = defineFunction({
  name: "ln",
  category: "math",
  returns: "float",
  nulls: "propagate",
  params: [float("x")],
  doc: "The natural logarithm of `x`; null when `x` is not above 0.",
  examples: [
    { sql: "ln(1)", gives: 0 },
    { sql: "ln(0)", gives: null },
    { sql: "ln(x)", gives: null },
    { sql: "ln('a')", fails: "E205" },
  ],
  compile: () => (x) => (x > 0 ? Math.log(x) : null),
});

export const log = defineFunction({
  name: "log",
  category: "math",
  returns: "float",
  nulls: "propagate",
  params: [float("base_or_x"), float("x", { optional: true })],
  doc:
    "`log(x)` is the logarithm to base 10, `log(base, x)` that to the given base. Null when `x` is not above 0 or the " +
    "base not above 1.",
  examples: [
    { sql: "log(1000)", gives: 3 },
    { sql: "log(2, 8)", gives: 3 },
    { sql: "log(0)", gives: null },
    { sql: "log(1, 8)", gives: null },
    { sql: "log(x)", gives: null },
    { sql: "log('a')", fails: "E205" },
  ],
  compile: () => (first, second) => {
    if (second === undefined) return first > 0 ? Math.log10(first) : null;
    return first > 1 && second > 0 ? logarithm(first, second) : null;
  },
});

/** Bases with a function of their own are exact for whole powers. */
function logarithm(base: number, x: number): number {
  if (base === 2) return Math.log2(x);
  return base === 10 ? Math.log10(x) : Math.log(x) / Math.log(base);
}

export const power = defineFunction({
  name: "power",
  aliases: ["pow"],
  category: "math",
  returns: "float",
  nulls: "propagate",
  params: [float("base"), float("exponent")],
  doc: "`base` to the power of `exponent`, a float; null when that is no real number.",
  examples: [
    { sql: "power(2, 10)", gives: 1024 },
    { sql: "power(2, -1)", gives: 0.5 },
    { sql: "power(-8, 0.5)", gives: null },
    { sql: "power(x, 2)", gives: null },
    { sql: "power('a', 2)", fails: "E205" },
  ],
  compile: () => (base, exponent) => {
    const result = base ** exponent;
    return Number.isNaN(result) ? null : result;
  },
});

export const sqrt = defineFunction({
  name: "sqrt",
  category: "math",
  returns: "float",
  nulls: "propagate",
  params: [float("x")],
  doc: "The square root of `x`, which must not be negative.",
  examples: [
    { sql: "sqrt(9)", gives: 3 },
    { sql: "sqrt(x)", gives: null },
    { sql: "sqrt(-1)", fails: "E506" },
  ],
  compile: () => (x) => {
    if (x < 0) throw new RowError("E506", `sqrt() of the negative number ${x}`);
    return Math.sqrt(x);
  },
});
