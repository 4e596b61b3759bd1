import { defineFunction, text } from "./declare.ts";

export const endswith = defineFunction({
  name: "endswith",
  category: "text",
  returns: "boolean",
  nulls: "false",
  params: [text("value"), text("suffix")],
  doc: "True when `value` ends with `suffix`.",
  examples: [
    { sql: "endswith('pump-7', '-7')", gives: true },
    { sql: "endswith('pump-7', '-8')", gives: false },
    { sql: "endswith(a, '-7')", gives: false },
  ],
  compile: () => (value, suffix) => value.endsWith(suffix),
});
