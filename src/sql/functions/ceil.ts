import { defineFunction, float } from "./declare.ts";

export const ceil = defineFunction({
  name: "ceil",
  aliases: ["ceiling"],
  category: "math",
  returns: "float",
  nulls: "propagate",
  params: [float("x")],
  doc: "The smallest whole number not below `x`, as a float.",
  examples: [
    { sql: "ceil(2.5)", gives: 3 },
    { sql: "ceil(-2.5)", gives: -2 },
    { sql: "ceil(x)", gives: null },
    { sql: "ceil(x)", rows: [{ x: true }], fails: "E506" },
  ],
  compile: () => (x) => Math.ceil(x),
});
