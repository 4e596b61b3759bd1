import { defineFunction, text } from "./declare.ts";
import { checkText } from "./result_size.ts";

export const concat = defineFunction({
  name: "concat",
  category: "text",
  returns: "string",
  nulls: "sees",
  params: [text("value", { variadic: true, stringLiteral: true })],
  doc:
    "All values as plain text, one after the other; null is the empty text. Arrays are not joined: they give their " +
    "plain text, as `[1 2]`.",
  examples: [
    { sql: "concat('pump-', n)", rows: [{ n: 7 }], gives: "pump-7" },
    { sql: "concat('x', n)", rows: [{ n: 2500000 }], gives: "x2.5e+06" },
    { sql: "concat('a', missing, 'b')", gives: "ab" },
    { sql: "concat(a)", rows: [{ a: [1n, 2n] }], gives: "[1 2]" },
    { sql: "concat('pump-', 7)", fails: "E205" },
  ],
  compile: () => (...values) => {
    let joined = "";
    for (const value of values) if (value !== null && value !== undefined) joined += value;
    checkText("concat", joined.length);
    return joined;
  },
});
