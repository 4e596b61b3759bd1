import { defineFunction, number } from "./declare.ts";

export const sign = defineFunction({
  name: "sign",
  category: "math",
  returns: "int",
  nulls: "propagate",
  params: [number("x")],
  doc: "-1, 0 or 1, as `x` is negative, zero or positive.",
  examples: [
    { sql: "sign(-2.5)", gives: -1n },
    { sql: "sign(0)", gives: 0n },
    { sql: "sign(x)", gives: null },
    { sql: "sign('a')", fails: "E205" },
  ],
  compile: () => (x) => (x > 0 ? 1n : x < 0 ? -1n : 0n),
});
