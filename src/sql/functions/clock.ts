import { RowError } from "../../diagnostics/row_error.ts";
import { DateTime } from "../../value/datetime.ts";
import { compilePattern } from "../../value/datetime_text.ts";
import { defineFunction, index, type RuleContext } from "./declare.ts";

/** Writes the processing time as `pattern` and, when `digits` is over 0, a fraction of so many digits. */
function clockWriter(pattern: string, functionName: string, context: RuleContext): (digits: number) => string {
  const patterns = Array.from({ length: 7 }, (_, digits) => compilePattern(pattern + "S".repeat(digits)));
  return (digits) => {
    const chosen = patterns[digits];
    if (chosen === undefined) {
      throw new RowError("E506", `${functionName}() takes 0 to 6 digits of fraction, found ${digits}`);
    }
    return chosen.write(new DateTime(context.now, context.timezone));
  };
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
    { sql: "now(7)", fails: "E506" },
    { sql: "now(-1)", fails: "E214" },
    { sql: "now('3')", fails: "E205" },
  ],
  compile(_, context) {
    const write = clockWriter("YYYY-MM-dd HH:mm:ss", "now", context);
    return (fsp) => write(fsp ?? 0);
  },
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
  examples: [{ sql: "cur_time(7)", fails: "E506" }],
  compile(_, context) {
    const write = clockWriter("HH:mm:ss", "cur_time", context);
    return (fsp) => write(fsp ?? 0);
  },
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
  compile(_, context) {
    const write = clockWriter("YYYY-MM-dd", "cur_date", context);
    return () => write(0);
  },
});
