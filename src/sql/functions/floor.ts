import { defineFunction, float } from "./declare.ts";

export const floor = defineFunction({
  name: "floor",
  category: "math",
  returns: "float",
  nulls: "propagate",
  params: [float("x")],
  doc: "The largest whole number not above `x`, as a float.",
  examples: [
    { sql: "floor(2.5)", gives: 2 },
    { sql: "floor(-2.5)", gives: -3 },
    { sql: "floor(x)", gives: null },
    { sql: "floor(x)", rows: [{ x: true }], fails: "E506" },
  ],
  compile: () => (x) => Math.floor(x),
});
