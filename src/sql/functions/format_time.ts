import { RowError } from "../../diagnostics/row_error.ts";
import { compilePattern, type DateTimePattern } from "../../value/datetime_text.ts";
import { defineFunction, text, time } from "./declare.ts";

/** A rule whose patterns come out of rows rarely has more than a few of them. */
const patternsMax = 64;
const patternCharsMax = 1000;

export const formatTime = defineFunction({
  name: "format_time",
  category: "time",
  returns: "string",
  nulls: "propagate",
  params: [time("time"), text("pattern")],
  doc:
    "`time` as text. The letters of `pattern`: `YYYY` `YY` year, `M` `MM` `MMM` `MMMM` month (1, 01, Jan, January), " +
    "`d` `dd` day, `EEE` `EEEE` weekday, `HH` hour, `h` `hh` hour 1–12 with `a` AM/PM, `m` `mm` minute, `s` `ss` " +
    "second, `S`… a point and as many digits, `z` zone name, `Z` `-0700`, `X` `XX` `XXX` `-07` `-0700` `-07:00`, `G` " +
    "AD; `\\c` and `'text'` stand for themselves.",
  examples: [
    { sql: "format_time('2026-01-02T15:04:05.123Z', 'YYYY-MM-dd HH:mm:ssSSS')", gives: "2026-01-02 15:04:05.123" },
    { sql: "format_time('2026-01-02T15:04:05+02:00', 'EEEE d MMM, h a XXX')", gives: "Friday 2 Jan, 3 PM +02:00" },
    { sql: "format_time(time, 'YYYY')", gives: null },
    { sql: "format_time('2026-01-02', 'YYYYY')", fails: "E214" },
    { sql: "format_time('tomorrow', 'YYYY')", fails: "E205" },
  ],
  compile(constants) {
    const fixed = constants.pattern === undefined ? undefined : compile(constants.pattern);
    const known = new Map<string, DateTimePattern>();
    return (time, text) => {
      let pattern = fixed ?? known.get(text);
      if (pattern === undefined) {
        pattern = compile(text);
        if (known.size >= patternsMax) known.clear();
        known.set(text, pattern);
      }
      return pattern.write(time);
    };
  },
});

function compile(pattern: string): DateTimePattern {
  if (pattern.length > patternCharsMax) {
    throw new RowError(
      "E506",
      `format_time(): a pattern of ${pattern.length} characters; ${patternCharsMax} are allowed`,
    );
  }
  try {
    return compilePattern(pattern);
  } catch (error) {
    throw new RowError("E506", `format_time(): ${(error as Error).message}`, { cause: error });
  }
}
