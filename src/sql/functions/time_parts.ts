/**
 * The parts of a time, in the zone the time is in.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import type { DateTime } from "../../value/datetime.ts";
import { compilePattern } from "../../value/datetime_text.ts";
import type { Value } from "../../value/value.ts";
import { defineFunction, type Example, type SqlFunction, time } from "./declare.ts";

interface TimePart {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly doc: string;
  readonly returns: "int" | "string";
  readonly examples: readonly Example[];
  /** `local` shows the time's own wall clock as if it were UTC. */
  readonly of: (local: Date, time: DateTime) => Value;
}

function timePart({ name, aliases, doc, returns, examples, of }: TimePart): SqlFunction {
  return defineFunction({
    name,
    ...(aliases === undefined ? {} : { aliases }),
    category: "time",
    returns,
    // A null time is refused here, unlike nearly everywhere else.
    nulls: "sees",
    params: [time("time")],
    doc: `${doc} Null is refused.`,
    examples: [...examples, { sql: `${name}(time)`, fails: "E506" }, { sql: `${name}('soon')`, fails: "E205" }],
    compile: () => (time) => {
      if (time === null || time === undefined) throw new RowError("E506", `${name}() needs a time, found null`);
      return of(new Date(time.ms + time.offsetMinutes * 60_000), time);
    },
  });
}

function number(
  name: string,
  doc: string,
  sql: string,
  gives: bigint,
  of: (local: Date) => number,
  aliases?: readonly string[],
): SqlFunction {
  return timePart({
    name,
    ...(aliases === undefined ? {} : { aliases }),
    doc,
    returns: "int",
    examples: [{ sql: `${name}('${sql}')`, gives }],
    of: (local) => BigInt(of(local)),
  });
}

const date = "2026-03-01T15:04:05.678Z";

export const month = number("month", "The month, from 1.", date, 3n, (local) => local.getUTCMonth() + 1);
export const dayOfMonth = number(
  "day_of_month",
  "The day of the month, from 1.",
  date,
  1n,
  (local) => local.getUTCDate(),
  ["day"],
);
export const dayOfWeek = number(
  "day_of_week",
  "The day of the week: Sunday is 0, Saturday 6.",
  date,
  0n,
  (local) => local.getUTCDay(),
);
export const dayOfYear = number("day_of_year", "The day of the year, from 1.", date, 60n, (local) => {
  return Math.floor((local.getTime() - Date.UTC(local.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
});
export const hour = number("hour", "The hour, from 0 to 23.", date, 15n, (local) => local.getUTCHours());
export const minute = number("minute", "The minute.", date, 4n, (local) => local.getUTCMinutes());
export const second = number("second", "The second.", date, 5n, (local) => local.getUTCSeconds());
export const microsecond = number(
  "microsecond",
  "The microseconds within the second, from 0 to 999999.",
  date,
  678000n,
  (local) => local.getUTCMilliseconds() * 1000,
);

const weekdayPattern = compilePattern("EEEE");
const monthPattern = compilePattern("MMMM");

export const dayName = timePart({
  name: "day_name",
  doc: "The English name of the weekday.",
  returns: "string",
  examples: [{ sql: `day_name('${date}')`, gives: "Sunday" }],
  of: (_, time) => weekdayPattern.write(time),
});

export const monthName = timePart({
  name: "month_name",
  doc: "The English name of the month.",
  returns: "string",
  examples: [{ sql: `month_name('${date}')`, gives: "March" }],
  of: (_, time) => monthPattern.write(time),
});

export const lastDay = timePart({
  name: "last_day",
  doc: "The last day of the month as `YYYY-MM-DD`.",
  returns: "string",
  examples: [{ sql: "last_day('2024-02-03')", gives: "2024-02-29" }],
  of: (local) => {
    const last = new Date(0);
    last.setUTCFullYear(local.getUTCFullYear(), local.getUTCMonth() + 1, 0);
    return last.toISOString().slice(0, 10);
  },
});
