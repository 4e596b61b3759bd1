/**
 * Cron expressions as the dialect has them: five fields, or a descriptor such as `@hourly`.
 *
 * @example
 * ```ts
 * parseCron("30 6 * * MON-FRI", "Europe/Berlin").next(Date.UTC(2026, 0, 3)); // Date.UTC(2026, 0, 5, 5, 30)
 * ```
 * @module
 */
import { Cron as CronPattern } from "croner";
import { parseGoDuration } from "../value/go_duration.ts";

/** The moments of an expression, in Unix milliseconds. */
export interface Cron {
  /** The first moment after `time`; Infinity when there is none. */
  next(time: number): number;
  /** The last moment at or before `time`; -Infinity when there is none. */
  previous(time: number): number;
}

/** What is wrong with an expression, in words that go on after "bad cron expression: ". */
export class CronError extends Error {
  override readonly name = "CronError";
}

const descriptors = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/** The greatest value of each field; weekdays count from Sunday, 0. */
const greatest = [59, 23, 31, 12, 6];

/** A list of all minutes has 169. */
const charactersMax = 400;

/**
 * Over changes to and from daylight-saving time, a moment of an expression with one minute and one hour comes once a day:
 * one that the clocks skip comes when they have jumped, one that they show twice comes the first time. With several
 * minutes or hours those that are skipped are left out, and those shown twice come twice.
 *
 * `@every` counts from the Unix epoch, so that a restart of the agent moves nothing.
 *
 * @param zone An IANA name, or `Local`; a prefix `TZ=…` or `CRON_TZ=…` of the expression overrules it.
 * @throws {CronError} for what is no expression, and for one that has no moments, such as the 30th of February.
 */
export function parseCron(text: string, zone: string): Cron {
  if (text.length > charactersMax) throw new CronError(`longer than ${charactersMax} characters`);
  const prefix = /^\s*(?:CRON_)?TZ=(\S+)\s+/.exec(text);
  const expression = text.slice(prefix?.[0].length ?? 0).trim();
  const every = /^@every\s+(\S+)$/i.exec(expression)?.[1];
  return every === undefined ? calendar(expression, prefix?.[1] ?? zone) : interval(every);
}

function interval(duration: string): Cron {
  const ms = parseGoDuration(duration);
  if (ms === undefined) throw new CronError(`"${duration}" is no duration such as 1h30m`);
  const period = Math.floor(ms / 1000) * 1000;
  if (period < 1000) throw new CronError(`@every needs at least one second, found ${duration}`);
  const previous = (time: number) => Math.floor(time / period) * period;
  return { next: (time) => previous(time) + period, previous };
}

function calendar(expression: string, zone: string): Cron {
  const pattern = expression.startsWith("@") ? descriptor(expression) : fiveFields(expression);
  const at = compile(pattern, zone);
  const cron: Cron = {
    next: (time) => at.nextRun(new Date(time))?.getTime() ?? Infinity,
    // The library looks for moments before the one it is given.
    previous: (time) => at.previousRuns(1, new Date(time + 1))[0]?.getTime() ?? -Infinity,
  };
  if (cron.next(0) === Infinity) throw new CronError("it names a day that never comes");
  return cron;
}

function descriptor(expression: string): string {
  const name = expression.toLowerCase();
  if (descriptors.includes(name)) return name;
  throw new CronError(`unknown descriptor "${expression}": there are ${descriptors.join(", ")} and @every 1h30m`);
}

/** `5/15` means from 5 to the end in steps of 15; the library wants the end spelled out. */
function fiveFields(expression: string): string {
  const fields = expression.split(/\s+/);
  if (expression === "" || fields.length !== greatest.length) {
    const found = expression === "" ? 0 : fields.length;
    throw new CronError(`wanted five fields (minute, hour, day of month, month, day of week), found ${found}`);
  }
  return fields
    .map((field, i) => field.split(",").map((part) => part.replace(/^(\w+)\//, `$1-${greatest[i]}/`)).join(","))
    .join(" ");
}

function compile(pattern: string, zone: string): CronPattern {
  const options = { paused: true, mode: "5-part", ...(zone === "Local" ? {} : { timezone: zone }) } as const;
  try {
    const compiled = new CronPattern(pattern, options);
    // An unknown zone shows only when it is used.
    compiled.nextRun(new Date(0));
    return compiled;
  } catch (error) {
    throw new CronError(reasonOf(error, zone));
  }
}

function reasonOf(error: unknown, zone: string): string {
  const message = error instanceof Error ? error.message : String(error);
  return isZone(zone) ? message.replace(/^CronPattern: /, "") : `unknown time zone "${zone}"`;
}

function isZone(zone: string): boolean {
  try {
    if (zone !== "Local") new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
