import { defineFunction, text } from "./declare.ts";

export const upper = defineFunction({
  name: "upper",
  category: "text",
  returns: "string",
  nulls: "propagate",
  params: [text("value")],
  doc: "`value` in upper case.",
  examples: [
    { sql: "upper('Pump')", gives: "PUMP" },
    { sql: "upper(value)", gives: null },
    { sql: "upper()", fails: "E203" },
  ],
  compile: () => (value) => value.toUpperCase(),
});
