import { defineFunction, float } from "./declare.ts";

export const mod = defineFunction({
  name: "mod",
  category: "math",
  returns: "float",
  nulls: "propagate",
  params: [float("a"), float("b")],
  doc: "The remainder of `a / b` as a float, with the sign of `a`; null when `b` is 0.",
  examples: [
    { sql: "mod(7, 3)", gives: 1 },
    { sql: "mod(-7.5, 2)", gives: -1.5 },
    { sql: "mod(7, 0)", gives: null },
    { sql: "mod(x, 3)", gives: null },
    { sql: "mod('a', 3)", fails: "E205" },
  ],
  compile: () => (a, b) => {
    const remainder = a % b;
    return Number.isNaN(remainder) ? null : remainder;
  },
});
