/**
 * The parts that datetime formats are made of, each with how it is written and how it is read.
 *
 * A layout is a list of parts and literal texts. Both notations build on it: Go's, in which the built-in formats are
 * written (`2006-01-02 15:04`), and that of `format_time` and `TIMESTAMP_FORMAT` (`YYYY-MM-dd HH:mm`).
 * @module
 */
import { DateTime, formatOffset, zoneOffsetMinutes } from "./datetime.ts";
import { offsetText, zoneAbbreviation } from "./zone_abbreviation.ts";

/** A datetime taken apart in its own zone. */
interface LocalTime {
  readonly source: DateTime;
  readonly year: number;
  /** From 1. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly millisecond: number;
  /** Sunday is 0. */
  readonly weekday: number;
  /** Minutes, east positive. */
  readonly offset: number;
}

/** What reading a text has found so far. */
interface Found {
  year?: number;
  month?: number;
  day?: number;
  hour?: number;
  minute?: number;
  second?: number;
  millisecond?: number;
  afternoon?: boolean;
  /** An offset or `UTC`, as in `DateTime.zone`. */
  zone?: string;
  /** A zone's letters, which say less than an offset. */
  abbreviation?: string;
}

export interface Part {
  /** One capture group: the texts this part can read. */
  readonly regex: string;
  write(time: LocalTime): string;
  /** False when the text looks right but means nothing, as the month `Foo`. */
  read(text: string, found: Found): boolean;
}

export type Layout = readonly (string | Part)[];

const months = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

const two = (n: number) => (n < 10 ? `0${n}` : String(n));

type NumericField = "year" | "month" | "day" | "hour" | "minute" | "second";

function numeric(field: NumericField, regex: string, write: (time: LocalTime) => string): Part {
  return {
    regex: `(${regex})`,
    write,
    read(text, found) {
      found[field] = Number(text);
      return true;
    },
  };
}

/** Position of `text` among `names`, whole or by the first three letters, without case. */
function nameIndex(names: readonly string[], text: string, short: boolean): number {
  const wanted = text.toLowerCase();
  return names.findIndex((name) => (short ? name.slice(0, 3) : name).toLowerCase() === wanted);
}

function monthName(short: boolean): Part {
  return {
    regex: "([A-Za-z]+)",
    write: (time) => months[time.month - 1]!.slice(0, short ? 3 : undefined),
    read(text, found) {
      found.month = nameIndex(months, text, short) + 1;
      return found.month > 0;
    },
  };
}

function weekdayName(short: boolean): Part {
  return {
    regex: "([A-Za-z]+)",
    write: (time) => weekdays[time.weekday]!.slice(0, short ? 3 : undefined),
    // The weekday follows from the date; a wrong one is not noticed, as in Go.
    read: (text) => nameIndex(weekdays, text, short) >= 0,
  };
}

function offset(regex: string, write: (minutes: number) => string): Part {
  return {
    regex: `(${regex})`,
    write: (time) => write(time.offset),
    read: readOffset,
  };
}

function readOffset(text: string, found: Found): boolean {
  const digits = text === "Z" ? "0000" : text.slice(1).replace(":", "").padEnd(4, "0");
  if (Number(digits.slice(0, 2)) > 24 || Number(digits.slice(2)) > 59) return false;
  found.zone = Number(digits) === 0 ? "UTC" : `${text[0]}${digits.slice(0, 2)}:${digits.slice(2)}`;
  return true;
}

/** A point and exactly `digits` digits. Reading also takes a comma, as Go does. */
export function fraction(digits: number, point = "."): Part {
  return {
    regex: point === "" ? `(\\d{${digits}})` : `([.,]\\d{${digits}})`,
    write: (time) => point + String(time.millisecond).padStart(3, "0").padEnd(digits, "0").slice(0, digits),
    read(text, found) {
      found.millisecond = Math.floor(Number(`0.${text.replace(/^[.,]/, "")}`) * 1000);
      return true;
    },
  };
}

/** A point and any digits, or nothing. */
const optionalFraction: Part = {
  regex: "((?:[.,]\\d+)?)",
  write: (time) => (time.millisecond === 0 ? "" : `.${String(time.millisecond).padStart(3, "0").replace(/0+$/, "")}`),
  read(text, found) {
    if (text !== "") found.millisecond = Math.floor(Number(`0.${text.slice(1)}`) * 1000);
    return true;
  },
};

const hour12 = (hour: number) => hour % 12 || 12;

/** Every part, by the letters Go writes it with. */
export const parts = {
  "2006": numeric("year", "\\d{4}", (t) => String(t.year).padStart(4, "0")),
  "06": {
    regex: "(\\d\\d)",
    write: (time) => two(time.year % 100),
    read(text, found) {
      const year = Number(text);
      found.year = year + (year >= 69 ? 1900 : 2000);
      return true;
    },
  },
  "January": monthName(false),
  "Jan": monthName(true),
  "01": numeric("month", "\\d\\d", (t) => two(t.month)),
  "1": numeric("month", "\\d{1,2}", (t) => String(t.month)),
  "Monday": weekdayName(false),
  "Mon": weekdayName(true),
  "02": numeric("day", "\\d\\d", (t) => two(t.day)),
  "_2": numeric("day", " ?\\d{1,2}", (t) => String(t.day).padStart(2)),
  "2": numeric("day", "\\d{1,2}", (t) => String(t.day)),
  "15": numeric("hour", "\\d{1,2}", (t) => two(t.hour)),
  "03": numeric("hour", "\\d\\d", (t) => two(hour12(t.hour))),
  "3": numeric("hour", "\\d{1,2}", (t) => String(hour12(t.hour))),
  "04": numeric("minute", "\\d\\d", (t) => two(t.minute)),
  "4": numeric("minute", "\\d{1,2}", (t) => String(t.minute)),
  "05": numeric("second", "\\d\\d", (t) => two(t.second)),
  "5": numeric("second", "\\d{1,2}", (t) => String(t.second)),
  ".9": optionalFraction,
  "PM": {
    regex: "([AP]M)",
    write: (time) => (time.hour < 12 ? "AM" : "PM"),
    read(text, found) {
      found.afternoon = text === "PM";
      return true;
    },
  },
  "MST": {
    regex: "([A-Z]{3,5}|[+-]\\d\\d(?:\\d\\d)?)",
    write: (time) => zoneAbbreviation(time.source.zone, time.source.ms),
    read(text, found) {
      // Zones without letters are written as their offset.
      if (/^[+-]/.test(text)) return found.zone !== undefined || readOffset(text, found);
      found.abbreviation = text;
      return true;
    },
  },
  "-0700": offset("[+-]\\d{4}", offsetText),
  "-07:00": offset("[+-]\\d\\d:\\d\\d", (minutes) => (minutes === 0 ? "+00:00" : formatOffset(minutes))),
  "-07": offset("[+-]\\d\\d", (minutes) => offsetText(minutes).slice(0, 3)),
  "Z0700": offset("Z|[+-]\\d{4}", (minutes) => formatOffset(minutes).replace(":", "")),
  "Z07:00": offset("Z|[+-]\\d\\d:\\d\\d", formatOffset),
  "Z07": offset("Z|[+-]\\d\\d", (minutes) => formatOffset(minutes).slice(0, 3)),
} as const satisfies Record<string, Part>;

/** `time` in its own zone, as the layout says. */
export function writeLayout(layout: Layout, time: DateTime): string {
  const local = localTime(time);
  let text = "";
  for (const part of layout) text += typeof part === "string" ? part : part.write(local);
  return text;
}

/**
 * A reader of texts in this layout; the whole text must match. It gives undefined for any other text. `zone` is the
 * zone of texts without one; `now` (Unix ms) supplies a missing year, or the whole date of a bare time.
 */
export function layoutReader(layout: Layout): (text: string, zone: string, now: number) => DateTime | undefined {
  const fields = layout.filter((part) => typeof part !== "string");
  const source = layout.map((part) => typeof part === "string" ? part.replace(/[^A-Za-z0-9 ]/g, "\\$&") : part.regex);
  const regex = new RegExp(`^${source.join("")}$`);
  return (text, zone, now) => {
    const match = regex.exec(text);
    if (match === null) return undefined;
    const found: Found = {};
    for (const [i, part] of fields.entries()) if (!part.read(match[i + 1]!, found)) return undefined;
    return toDateTime(found, zone, now);
  };
}

function localTime(time: DateTime): LocalTime {
  const minutes = time.offsetMinutes;
  const shifted = new Date(time.ms + minutes * 60_000);
  return {
    source: time,
    year: shifted.getUTCFullYear(),
    month: shifted.getUTCMonth() + 1,
    day: shifted.getUTCDate(),
    hour: shifted.getUTCHours(),
    minute: shifted.getUTCMinutes(),
    second: shifted.getUTCSeconds(),
    millisecond: shifted.getUTCMilliseconds(),
    weekday: shifted.getUTCDay(),
    offset: minutes,
  };
}

function toDateTime(found: Found, defaultZone: string, now: number): DateTime | undefined {
  const zone = found.zone ?? (found.abbreviation === "UTC" || found.abbreviation === "GMT" ? "UTC" : defaultZone);
  let { year, month, day, hour = 0 } = found;
  if (year === undefined) {
    const today = localTime(new DateTime(now, zone));
    year = today.year;
    if (month === undefined && day === undefined) ({ month, day } = today);
  }
  month ??= 1;
  day ??= 1;
  if (found.afternoon !== undefined) {
    if (hour > 12) return undefined;
    hour = hour % 12 + (found.afternoon ? 12 : 0);
  }
  const { minute = 0, second = 0, millisecond = 0 } = found;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  date.setUTCHours(hour, minute, second, millisecond);
  const time = zonedToUtc(date.getTime(), zone);
  if (found.zone !== undefined || found.abbreviation === undefined || zone === "UTC") return time;
  // Letters are ambiguous all over the world; only those of the configured zone are understood, others count as UTC.
  return zoneAbbreviation(zone, time.ms) === found.abbreviation ? time : new DateTime(date.getTime(), "UTC");
}

/**
 * The instant at which clocks of `zone` show the wall time `wallMs` (given as if it were UTC). Of two such instants it
 * is the earlier; a wall time that the zone skips moves forward by what it skips.
 */
export function zonedToUtc(wallMs: number, zone: string): DateTime {
  const before = zoneOffsetMinutes(zone, wallMs - 86_400_000);
  const after = zoneOffsetMinutes(zone, wallMs + 86_400_000);
  const early = wallMs - before * 60_000;
  const ms = before === after || zoneOffsetMinutes(zone, early) === before ? early : wallMs - after * 60_000;
  return new DateTime(zoneOffsetMinutes(zone, ms) === after || before === after ? ms : early, zone);
}
