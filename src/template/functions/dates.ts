/**
 * Functions of dates. A date is a datetime or an int of seconds since 1970; `toDate` makes one of a text.
 * @module
 */
import { DateTime, isTimestamp, zoneOffsetMinutes } from "../../value/datetime.ts";
import { layoutReader, writeLayout } from "../../value/datetime_layout.ts";
import { formatGoDuration, parseGoDuration } from "../../value/go_duration.ts";
import type { Value } from "../../value/value.ts";
import { typeOf } from "../go_value.ts";
import { fail, type Run } from "../run.ts";
import { readInt } from "./cast.ts";
import { type Category, defineFunction, type TemplateFunction } from "./declare.ts";
import { goLayout } from "./go_layout.ts";

const category: Category = "dates";
const day = "2006-01-02";

/** What Go calls the zero time. */
const zeroMs = -62135596800000;

function dateOf(value: Value, name: string): DateTime {
  if (value instanceof DateTime) return value;
  if (typeof value !== "bigint") {
    return fail(`${name} takes a date or seconds since 1970, not ${typeOf(value)}; toDate makes a date of a text`);
  }
  return moved(new DateTime(0, "Local"), Number(value) * 1000, name);
}

function moved(date: DateTime, ms: number, name: string): DateTime {
  const target = date.ms + ms;
  return isTimestamp(target) ? new DateTime(target, date.zone) : fail(`${name}: no calendar reaches so far`);
}

/** What finding the offset of a zone costs. */
const zoneSteps = 300;

function format(run: Run, layout: string, value: Value, zone: string, name: string): string {
  run.spend(zoneSteps);
  return writeLayout(goLayout(layout), new DateTime(dateOf(value, name).ms, knownZone(zone)));
}

/** UTC for a zone that nobody knows, as in sprig. */
function knownZone(zone: string): string {
  try {
    zoneOffsetMinutes(zone, 0);
    return zone;
  } catch {
    return "UTC";
  }
}

function durationMs(value: Value, name: string): number {
  if (typeof value === "string") {
    return parseGoDuration(value.slice(0, 100)) ?? fail(`${name}: ${value.slice(0, 100)} is no duration`);
  }
  if (value instanceof DateTime) return NaN;
  return fail(`${name} takes a duration such as "1h30m", not ${typeOf(value)}`);
}

const roundUnits: readonly (readonly [ms: number, unit: string])[] = [
  [365 * 86_400_000, "y"],
  [30 * 86_400_000, "mo"],
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
  [1000, "s"],
];

function roundedDuration(ms: number): string {
  const size = Math.abs(ms);
  const found = roundUnits.find(([unit]) => size >= unit);
  return found === undefined ? "0s" : `${Math.floor(size / found[0])}${found[1]}`;
}

function since(run: Run, value: Value, name: string): number {
  return run.surroundings.now() - dateOf(value, name).ms;
}

/** Noon of 14 July 2017 in UTC: the same day nearly everywhere. */
const noon = "1500033600";

export const dateFunctions: readonly TemplateFunction[] = [
  defineFunction({
    name: "now",
    category,
    doc: "The time now.",
    example: { template: '{{now | date "2006-01-02"}}' },
    params: [],
    run: (run) => new DateTime(run.surroundings.now(), "Local"),
  }),
  defineFunction({
    name: "ago",
    category,
    doc: "How long ago the date was, in whole seconds.",
    example: { template: "{{ago 1500000000}}" },
    params: ["any"],
    run: (run, date) => formatGoDuration(Math.round(since(run, date, "ago") / 1000) * 1000),
  }),
  defineFunction({
    name: "date",
    category,
    doc:
      "The date in a layout of Go, in the zone of the agent: write the reference time Mon Jan 2 15:04:05 MST 2006 as " +
      "you want dates to look.",
    example: { template: '{{date "2006-01-02" .ts}}', data: { ts: 1500033600n }, gives: "2017-07-14" },
    params: ["string", "any"],
    run: (run, layout, date) => format(run, layout, date, "Local", "date"),
  }),
  defineFunction({
    name: "dateInZone",
    aliases: ["date_in_zone"],
    category,
    doc: "As `date`, in a zone.",
    example: { template: `{{dateInZone "15:04 MST" ${noon} "Europe/Berlin"}}`, gives: "14:00 CEST" },
    params: ["string", "any", "string"],
    run: (run, layout, date, zone) => format(run, layout, date, zone, "dateInZone"),
  }),
  defineFunction({
    name: "htmlDate",
    category,
    doc: "The date as year-month-day, in the zone of the agent.",
    example: { template: `{{htmlDate ${noon}}}`, gives: "2017-07-14" },
    params: ["any"],
    run: (run, date) => format(run, day, date, "Local", "htmlDate"),
  }),
  defineFunction({
    name: "htmlDateInZone",
    category,
    doc: "The date as year-month-day, in a zone.",
    example: { template: `{{htmlDateInZone ${noon} "UTC"}}`, gives: "2017-07-14" },
    params: ["any", "string"],
    run: (run, date, zone) => format(run, day, date, zone, "htmlDateInZone"),
  }),
  defineFunction({
    name: "toDate",
    aliases: ["mustToDate"],
    category,
    doc: "The date that a text in a layout of Go stands for; the year 1 when it does not fit.",
    example: { template: '{{toDate "2006-01-02" "2017-12-31" | date "02/01/2006"}}', gives: "31/12/2017" },
    params: ["string", "string"],
    run: (run, layout, text) => {
      run.spend(zoneSteps);
      const read = text.length > 200 ? undefined : layoutReader(goLayout(layout))(text, "Local", zeroMs);
      return read ?? new DateTime(zeroMs, "UTC");
    },
  }),
  defineFunction({
    name: "dateModify",
    aliases: ["date_modify", "mustDateModify"],
    category,
    doc: "The date, so much later, or with a minus earlier.",
    example: {
      template: '{{toDate "2006-01-02" "2017-12-31" | dateModify "36h" | date "2006-01-02"}}',
      gives: "2018-01-01",
    },
    params: ["string", "any"],
    run: (_run, duration, date) => moved(dateOf(date, "dateModify"), durationMs(duration, "dateModify"), "dateModify"),
  }),
  defineFunction({
    name: "unixEpoch",
    category,
    doc: "The seconds since 1970, as text.",
    example: { template: '{{toDate "2006-01-02 MST" "2017-12-31 UTC" | unixEpoch}}', gives: "1514678400" },
    params: ["any"],
    run: (_run, date) => String(Math.floor(dateOf(date, "unixEpoch").ms / 1000)),
  }),
  defineFunction({
    name: "duration",
    category,
    doc: "Seconds as a duration.",
    example: { template: '{{duration "3661"}}', gives: "1h1m1s" },
    params: ["any"],
    run: (_run, seconds) => {
      const count = typeof seconds === "string" ? readInt(seconds) ?? 0n : seconds;
      if (typeof count !== "bigint") return fail(`duration takes seconds, not ${typeOf(seconds)}`);
      return formatGoDuration(Number(count) * 1000);
    },
  }),
  defineFunction({
    name: "durationRound",
    category,
    doc: "A duration, or the time since a date, in its largest unit.",
    example: { template: '{{durationRound "2h10m5s"}} {{durationRound "2400h10m5s"}}', gives: "2h 3mo" },
    params: ["any"],
    run: (run, value) => {
      const ms = value instanceof DateTime ? since(run, value, "durationRound") : durationMs(value, "durationRound");
      return roundedDuration(ms);
    },
  }),
];
