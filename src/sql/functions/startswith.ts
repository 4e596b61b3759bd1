import { defineFunction, text } from "./declare.ts";

export const startswith = defineFunction({
  name: "startswith",
  category: "text",
  returns: "boolean",
  nulls: "false",
  params: [text("value"), text("prefix")],
  doc: "True when `value` begins with `prefix`.",
  examples: [
    { sql: "startswith('pump-7', 'pump')", gives: true },
    { sql: "startswith('pump-7', 'valve')", gives: false },
    { sql: "startswith(a, 'pump')", gives: false },
  ],
  compile: () => (value, prefix) => value.startsWith(prefix),
});
