import { RowError } from "../../diagnostics/row_error.ts";
import { defineFunction, index, text } from "./declare.ts";

export const splitValue = defineFunction({
  name: "split_value",
  category: "text",
  returns: "string",
  nulls: "propagate",
  params: [text("value"), text("separator"), index("i", { least: 0 })],
  doc:
    "Part `i` (from 0) of `value` cut at every `separator`; a negative `i`, which cannot be a literal, counts from " +
    "the end.",
  examples: [
    { sql: "split_value('a/b/c', '/', 1)", gives: "b" },
    { sql: "split_value('a/b/c', '/', i)", rows: [{ i: -1 }], gives: "c" },
    { sql: "split_value(value, '/', 0)", gives: null },
    { sql: "split_value('a/b', '/', 2)", fails: "E506" },
    { sql: "split_value('a/b', '/', -1)", fails: "E214" },
  ],
  compile: () => (value, separator, i) => {
    const parts = separator === "" ? [...value] : value.split(separator);
    const part = parts.at(i);
    if (part === undefined) throw new RowError("E506", `split_value() found ${parts.length} parts, none at ${i}`);
    return part;
  },
});
