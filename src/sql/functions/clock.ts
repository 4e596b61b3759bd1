import { RowError } from "../../diagnostics/row_error.ts";
import { DateTime } from "../../value/datetime.ts";
import { compilePattern } from "../../value/datetime_text.ts";
import { defineFunction, index, type RuleContext } from "./declare.ts";

const digitsMax = 6;

/** Writes the processing time as `pattern`, with a fraction of so many digits when they are over 0. */
function clockWriter(pattern: string, digits: number, functionName: string, context: RuleContext): () => string {
  if (digits > digitsMax) {
    throw new RowError("E506", `${functionName}() takes 0 to ${digitsMax} digits of fraction, found ${digits}`);
  }
  const { write } = compilePattern(pattern + "S".repeat(digits));
  return () => write(new DateTime(context.now, context.timezone));
}

export const now = defineFunction({
  name: "now",
  aliases: ["current_timestamp", "local_time", "local_timestamp"],
  category: "time",
  returns: "string",
  nulls: "sees",
  impure: true,
  params: [index("fsp", { optional: true, constant: true, least: 0 })],
  doc: "The processing time as `YYYY-MM-DD HH:mm:ss` in the configured zone, with `fsp` (1 to 6) digits of fraction.",
  examples: [
    { sql: "now(7)", fails: "E214" },
    { sql: "now(-1)", fails: "E214" },
    { sql: "now('3')", fails: "E205" },
  ],
  compile: (constants, context) => clockWriter("YYYY-MM-dd HH:mm:ss", constants.fsp ?? 0, "now", context),
});

export const curTime = defineFunction({
  name: "cur_time",
  aliases: ["current_time"],
  category: "time",
  returns: "string",
  nulls: "sees",
  impure: true,
  params: [index("fsp", { optional: true, constant: true, least: 0 })],
  doc: "The processing time of day as `HH:mm:ss` in the configured zone, with `fsp` (1 to 6) digits of fraction.",
  examples: [{ sql: "cur_time(7)", fails: "E214" }],
  compile: (constants, context) => clockWriter("HH:mm:ss", constants.fsp ?? 0, "cur_time", context),
});

export const curDate = defineFunction({
  name: "cur_date",
  aliases: ["current_date"],
  category: "time",
  returns: "string",
  nulls: "sees",
  impure: true,
  params: [],
  doc: "The date of the processing time as `YYYY-MM-DD` in the configured zone.",
  examples: [{ sql: "cur_date(1)", fails: "E203" }],
  compile: (_, context) => clockWriter("YYYY-MM-dd", 0, "cur_date", context),
});
