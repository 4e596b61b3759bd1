import { defineFunction, text } from "./declare.ts";

export const numbytes = defineFunction({
  name: "numbytes",
  category: "text",
  returns: "int",
  nulls: "zero",
  params: [text("value")],
  doc: "The number of bytes of `value` in UTF-8.",
  examples: [
    { sql: "numbytes('Zürich')", gives: 7n },
    { sql: "numbytes(value)", gives: 0n },
    { sql: "numbytes()", fails: "E203" },
  ],
  compile: () => {
    const encoder = new TextEncoder();
    return (value) => BigInt(encoder.encode(value).length);
  },
});
