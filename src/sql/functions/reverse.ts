import { defineFunction, text } from "./declare.ts";

export const reverse = defineFunction({
  name: "reverse",
  category: "text",
  returns: "string",
  nulls: "propagate",
  params: [text("value")],
  doc: "The characters of `value` in the opposite order.",
  examples: [
    { sql: "reverse('pump 😀')", gives: "😀 pmup" },
    { sql: "reverse(value)", gives: null },
    { sql: "reverse()", fails: "E203" },
  ],
  compile: () => (value) => [...value].reverse().join(""),
});
