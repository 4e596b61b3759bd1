/**
 * The schedule of a rule: whether it shall run at a given time, until when, and when it starts next.
 *
 * A rule runs inside its slots. With `cron` and `duration` a slot begins at each moment of the expression and lasts for
 * the duration; `cronDatetimeRange` cuts off what lies outside of its ranges, or, without `cron`, the ranges are the
 * slots. `duration` alone makes no slots: it limits the length of a run.
 *
 * @module
 */
import { type Diagnostic, diagnostic } from "../diagnostics/diagnostic.ts";
import { compilePattern } from "../value/datetime_text.ts";
import { type Cron, CronError, parseCron } from "./cron.ts";

/** The options that make a schedule, as rules have them. */
export interface ScheduleOptions {
  /** Empty: none. */
  readonly cron: string;
  /** Milliseconds; 0: none. */
  readonly duration: number;
  readonly cronDatetimeRange: readonly RangeOption[];
}

/** Texts `YYYY-MM-DD hh:mm:ss`, or Unix milliseconds. */
export interface RangeOption {
  readonly begin: string;
  readonly end: string;
  readonly beginTimestamp: number;
  readonly endTimestamp: number;
}

/** From `begin` up to, not including, `end`, in Unix milliseconds. */
interface Range {
  readonly begin: number;
  readonly end: number;
}

export interface Schedule {
  readonly cron: Cron | undefined;
  /** The length of the slots of `cron`. */
  readonly slotMs: number;
  /** In their order, apart from each other; undefined: always. */
  readonly ranges: readonly Range[] | undefined;
}

/** What a schedule says about a time; it says the same about every time in `[from, until)`. */
export interface Slot {
  readonly runs: boolean;
  readonly from: number;
  /** Infinity: nothing changes any more. */
  readonly until: number;
  /** The first start after the time that was asked about; undefined when there is none. */
  readonly nextStart: number | undefined;
}

const rangesMax = 1000;
/** So many ranges without a moment of `cron` in them are looked through for the next start. */
const barrenRangesMax = 100;

const rangeTime = compilePattern("YYYY-MM-dd HH:mm:ss");

/**
 * The schedule of a rule; undefined for a rule that runs always. What is wrong is added to `problems`.
 *
 * @param zone Where days and hours of `cron` and of ranges begin: an IANA name, or `Local`.
 */
export function readSchedule(options: ScheduleOptions, zone: string, problems: Diagnostic[]): Schedule | undefined {
  const { cron, duration, cronDatetimeRange } = options;
  const ranges = readRanges(cronDatetimeRange, zone, problems);
  if (cron.trim() === "") return ranges === undefined ? undefined : { cron: undefined, slotMs: 0, ranges };
  if (duration === 0) {
    problems.push(diagnostic("E404", `The rule options need the setting "duration" beside "cron"`, {
      path: "options.duration",
      hint: 'say how long the rule runs each time, such as "10m"',
    }));
  }
  try {
    return { cron: parseCron(cron, zone), slotMs: duration, ranges };
  } catch (error) {
    if (!(error instanceof CronError)) throw error;
    const message = `Bad value for setting "cron" of the rule options: bad cron expression: ${error.message}`;
    problems.push(diagnostic("E403", message, { path: "options.cron" }));
    return undefined;
  }
}

function readRanges(options: readonly RangeOption[], zone: string, problems: Diagnostic[]): Range[] | undefined {
  if (options.length === 0) return undefined;
  const path = "options.cronDatetimeRange";
  if (options.length > rangesMax) {
    const message = `Setting "cronDatetimeRange" has ${options.length} ranges: at most ${rangesMax} are allowed`;
    problems.push(diagnostic("E403", message, { path }));
    return undefined;
  }
  const ranges: Range[] = [];
  options.forEach((option, i) => {
    const range = readRange(option, zone);
    if (typeof range !== "string") ranges.push(range);
    else {
      const message = `Bad value for setting "cronDatetimeRange.${i}" of the rule options: ${range}`;
      problems.push(diagnostic("E403", message, { path: `${path}.${i}` }));
    }
  });
  return merged(ranges);
}

/** The range, or what is wrong with it. */
function readRange(option: RangeOption, zone: string): Range | string {
  const { begin, end, beginTimestamp, endTimestamp } = option;
  const texts = begin !== "" || end !== "";
  const numbers = beginTimestamp !== 0 || endTimestamp !== 0;
  if (texts === numbers) return "wanted either begin and end, or beginTimestamp and endTimestamp";
  const range = texts
    ? { begin: rangeTime.read(begin, zone, 0)?.ms, end: rangeTime.read(end, zone, 0)?.ms }
    : { begin: beginTimestamp, end: endTimestamp };
  for (const side of ["begin", "end"] as const) {
    if (range[side] === undefined) {
      return `${side} must be a time such as "2026-01-31 08:00:00", found ${JSON.stringify(option[side].slice(0, 40))}`;
    }
  }
  if (range.end! < range.begin!) return "it ends before it begins";
  return range as Range;
}

/** In order, with those that overlap or touch made one, and without those that hold no time. */
function merged(ranges: readonly Range[]): Range[] {
  const result: Range[] = [];
  for (const range of ranges.filter(({ begin, end }) => begin < end).sort((a, b) => a.begin - b.begin)) {
    const last = result.at(-1);
    if (last === undefined || last.end < range.begin) result.push(range);
    else result[result.length - 1] = { begin: last.begin, end: Math.max(last.end, range.end) };
  }
  return result;
}

const always: readonly Range[] = [{ begin: -Infinity, end: Infinity }];

/** What `schedule` says about the time `now`, in Unix milliseconds. */
export function slotAt(schedule: Schedule, now: number): Slot {
  const { cron, slotMs, ranges = always } = schedule;
  const nextStart = startAfter(schedule, now);
  const index = ranges.findIndex(({ end }) => now < end);
  const range = ranges[index];
  const before = (index === -1 ? ranges : ranges.slice(0, index)).at(-1)?.end ?? -Infinity;
  if (range === undefined) return { runs: false, from: before, until: Infinity, nextStart };
  if (now < range.begin) return { runs: false, from: before, until: range.begin, nextStart };
  if (cron === undefined) return { runs: true, from: range.begin, until: range.end, nextStart };
  const start = cron.previous(now);
  const runs = now < start + slotMs;
  return {
    runs,
    from: Math.max(runs ? start : start + slotMs, range.begin),
    until: Math.min(runs ? start + slotMs : Infinity, cron.next(now), range.end),
    nextStart,
  };
}

/** The begin of the first slot after `now`, whether or not another is running by then. */
function startAfter({ cron, slotMs, ranges = always }: Schedule, now: number): number | undefined {
  const ahead = ranges.filter(({ end }) => end > now);
  if (cron === undefined) return ahead.find(({ begin }) => begin > now)?.begin;
  let start = cron.previous(now);
  let next = cron.next(now);
  for (const { begin, end } of ahead.slice(0, barrenRangesMax)) {
    if (begin > now) {
      if (begin >= next) {
        start = cron.previous(begin);
        next = cron.next(begin);
      }
      if (begin < start + slotMs) return begin;
    }
    if (next < end) return next;
  }
  return undefined;
}
