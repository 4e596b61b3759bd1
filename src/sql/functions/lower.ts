import { defineFunction, text } from "./declare.ts";

export const lower = defineFunction({
  name: "lower",
  category: "text",
  returns: "string",
  nulls: "propagate",
  params: [text("value")],
  doc: "`value` in lower case.",
  examples: [
    { sql: "lower('Pump')", gives: "pump" },
    { sql: "lower(value)", gives: null },
    { sql: "lower()", fails: "E203" },
  ],
  compile: () => (value) => value.toLowerCase(),
});
