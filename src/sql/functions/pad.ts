/**
 * Padding with blanks. The count is that of the blanks added, not of the characters there are in the end.
 * @module
 */
import { defineFunction, index, text } from "./declare.ts";
import { checkSize } from "./result_size.ts";

export const lpad = defineFunction({
  name: "lpad",
  category: "text",
  returns: "string",
  nulls: "propagate",
  params: [text("value"), index("n")],
  doc: "`value` with `n` blanks added before it.",
  examples: [
    { sql: "lpad('a', 2)", gives: "  a" },
    { sql: "lpad(value, 2)", gives: null },
    { sql: "lpad('a', -1)", fails: "E506" },
  ],
  compile: () => (value, n) => {
    checkSize("lpad", n);
    return " ".repeat(n) + value;
  },
});

export const rpad = defineFunction({
  name: "rpad",
  category: "text",
  returns: "string",
  nulls: "propagate",
  params: [text("value"), index("n")],
  doc: "`value` with `n` blanks added behind it.",
  examples: [
    { sql: "rpad('a', 2)", gives: "a  " },
    { sql: "rpad(value, 2)", gives: null },
    { sql: "rpad('a', -1)", fails: "E506" },
  ],
  compile: () => (value, n) => {
    checkSize("rpad", n);
    return value + " ".repeat(n);
  },
});
