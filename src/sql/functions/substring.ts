import { RowError } from "../../diagnostics/row_error.ts";
import { sliceCharacters } from "./code_points.ts";
import { defineFunction, index, text } from "./declare.ts";

export const substring = defineFunction({
  name: "substring",
  category: "text",
  returns: "string",
  nulls: "propagate",
  params: [text("value"), index("start"), index("end", { optional: true })],
  doc: "The characters from position `start` (the first is 0) up to, not including, position `end`, or to the end of " +
    "the text. Positions beyond the text are clipped; negative ones, and a `start` above `end`, are refused.",
  examples: [
    { sql: "substring('pump-7', 5)", gives: "7" },
    { sql: "substring('pump-7', 0, 4)", gives: "pump" },
    { sql: "substring('pump', 3, 9)", gives: "p" },
    { sql: "substring(value, 1)", gives: null },
    { sql: "substring('pump', 3, 2)", fails: "E506" },
    { sql: "substring('pump', -1)", fails: "E506" },
  ],
  compile: () => (value, start, end = Number.MAX_SAFE_INTEGER) => {
    if (start < 0 || end < start) {
      throw new RowError("E506", `substring() cannot cut from ${start} to ${end}`);
    }
    return sliceCharacters(value, start, end);
  },
});
