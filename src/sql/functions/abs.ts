import { wrapInt } from "../../value/value.ts";
import { defineFunction, number } from "./declare.ts";

export const abs = defineFunction({
  name: "abs",
  category: "math",
  returns: ([type]) => (type === "int" || type === "float" ? type : "number"),
  nulls: "propagate",
  params: [number("x")],
  doc: "The size of `x` without its sign, an int for an int.",
  examples: [
    { sql: "abs(-3)", gives: 3n },
    { sql: "abs(-2.5)", gives: 2.5 },
    { sql: "abs(x)", gives: null },
    { sql: "abs(x)", rows: [{ x: "a" }], fails: "E506" },
    { sql: "abs('a')", fails: "E205" },
  ],
  // The smallest int has no positive counterpart and stays as it is, as in two's complement arithmetic.
  compile: () => (x) => (typeof x === "number" ? Math.abs(x) : x < 0n ? wrapInt(-x) : x),
});
