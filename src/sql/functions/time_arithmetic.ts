/**
 * Moving times and taking the distance between them.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { DateTime, isTimestamp, zoneOffsetMinutes } from "../../value/datetime.ts";
import { compilePattern } from "../../value/datetime_text.ts";
import { parseGoDuration } from "../../value/go_duration.ts";
import { defineFunction, float, string, time } from "./declare.ts";

const dateTimePattern = compilePattern("YYYY-MM-dd HH:mm:ss");
const datePattern = compilePattern("YYYY-MM-dd");

/** Throws E506 for instants that no date can show. */
function checkedTime(functionName: string, ms: number, zone: string): DateTime {
  if (!isTimestamp(ms)) throw new RowError("E506", `${functionName}() leads out of the range of dates`);
  return new DateTime(ms, zone);
}

export const dateCalc = defineFunction({
  name: "date_calc",
  category: "time",
  returns: "string",
  nulls: "sees",
  params: [time("time"), string("duration", { constant: true })],
  doc:
    "`time` moved by `duration`, as `YYYY-MM-DD HH:mm:ss`. A duration is written as pairs of number and unit (`h`, " +
    "`m`, `s`, `ms`, `us`, `ns`), negative with a sign in front: `-2h15m`. Null is refused.",
  examples: [
    { sql: "date_calc('2026-01-02 03:04:05', '-2h15m')", gives: "2026-01-02 00:49:05" },
    { sql: "date_calc('2026-01-02T23:00:00+02:00', '1.5h')", gives: "2026-01-03 00:30:00" },
    { sql: "date_calc(time, '1h')", fails: "E506" },
    { sql: "date_calc('2026-01-02', '1 day')", fails: "E214" },
  ],
  compile(constants) {
    const shift = parseGoDuration(constants.duration ?? "");
    if (shift === undefined) {
      throw new RowError("E506", `date_calc() cannot read the duration "${constants.duration}"`);
    }
    return (time) => {
      if (time === null || time === undefined) throw new RowError("E506", "date_calc() needs a time, found null");
      return dateTimePattern.write(checkedTime("date_calc", Math.floor(time.ms + shift), time.zone));
    };
  },
});

export const dateDiff = defineFunction({
  name: "date_diff",
  category: "time",
  returns: "int",
  nulls: "sees",
  params: [time("from"), time("to")],
  doc: "`to` − `from` in nanoseconds. Null is refused.",
  examples: [
    { sql: "date_diff('2026-01-02 00:00:00', '2026-01-02 00:00:01.5')", gives: 1_500_000_000n },
    { sql: "date_diff('2026-01-02', time)", fails: "E506" },
  ],
  compile: () => (from, to) => {
    if (from === null || from === undefined || to === null || to === undefined) {
      throw new RowError("E506", "date_diff() needs two times, found null");
    }
    return (BigInt(to.ms) - BigInt(from.ms)) * 1_000_000n;
  },
});

export const toSeconds = defineFunction({
  name: "to_seconds",
  category: "time",
  returns: "int",
  nulls: "propagate",
  params: [time("time")],
  doc: "`time` in Unix seconds.",
  examples: [
    { sql: "to_seconds('1970-01-02T00:00:00Z')", gives: 86400n },
    { sql: "to_seconds(time)", rows: [{ time: 1500 }], gives: 1n },
    { sql: "to_seconds(time)", gives: null },
    { sql: "to_seconds('soon')", fails: "E205" },
  ],
  compile: () => (time) => BigInt(Math.floor(time.ms / 1000)),
});

export const fromUnixTime = defineFunction({
  name: "from_unix_time",
  category: "time",
  returns: "string",
  nulls: "propagate",
  params: [float("seconds")],
  doc: "Unix seconds as `YYYY-MM-DD HH:mm:ss` in the configured zone; null for 0.",
  examples: [
    { sql: "from_unix_time(86400)", gives: "1970-01-02 00:00:00" },
    { sql: "from_unix_time(0)", gives: null },
    { sql: "from_unix_time(seconds)", gives: null },
    { sql: "from_unix_time('a')", fails: "E205" },
  ],
  compile: (_, context) => (seconds) => {
    if (seconds === 0) return null;
    return dateTimePattern.write(checkedTime("from_unix_time", Math.floor(seconds) * 1000, context.timezone));
  },
});

export const fromDays = defineFunction({
  name: "from_days",
  category: "time",
  returns: "string",
  nulls: "propagate",
  params: [float("n")],
  doc: "Day number `n` as `YYYY-MM-DD`, 1970-01-01 being number 1; null for 0.",
  examples: [
    { sql: "from_days(1)", gives: "1970-01-01" },
    { sql: "from_days(366)", gives: "1971-01-01" },
    { sql: "from_days(0)", gives: null },
    { sql: "from_days(n)", gives: null },
    { sql: "from_days('a')", fails: "E205" },
  ],
  compile: () => (n) => {
    if (n === 0) return null;
    return datePattern.write(checkedTime("from_days", (Math.trunc(n) - 1) * 86_400_000, "UTC"));
  },
});

export const convertTz = defineFunction({
  name: "convert_tz",
  category: "time",
  returns: "datetime",
  nulls: "propagate",
  params: [time("time"), string("zone")],
  doc:
    "The same instant in another zone: an IANA name such as `Europe/Berlin`, `UTC`, the empty text (UTC) or `Local`.",
  examples: [
    {
      sql: "convert_tz('2026-01-02T00:00:00Z', 'Asia/Tokyo')",
      gives: new DateTime(Date.UTC(2026, 0, 2), "Asia/Tokyo"),
    },
    { sql: "convert_tz(time, 'UTC')", gives: null },
    { sql: "convert_tz('2026-01-02T00:00:00Z', 'Mars/Base')", fails: "E506" },
  ],
  compile: () => (time, zone) => {
    const name = zone === "" ? "UTC" : zone;
    try {
      // Offsets such as +02:00 are zones to the platform, but not here.
      if (!/^[A-Za-z]/.test(name)) throw new RangeError("not a name");
      zoneOffsetMinutes(name, time.ms);
    } catch (error) {
      throw new RowError("E506", `convert_tz() does not know the zone "${zone}"`, { cause: error });
    }
    return new DateTime(time.ms, name);
  },
});
