/**
 * The log: one line per event, for people, for `logfmt` readers or as JSON.
 *
 * A device that fails a thousand times a second must not fill the disk: of warnings and errors with the same message
 * and scope only some are written per interval, and the next one says how many were left out.
 *
 * @example
 * ```ts
 * const log = createLog({ level: "info", format: "logfmt", write: (line) => process.stderr.write(line) });
 * log.with({ rule: "r1" }).warn("sink lost its connection", { reason: "refused" });
 * // time=2026-01-02T03:04:05.678Z level=warn msg="sink lost its connection" rule=r1 reason=refused
 * ```
 * @module
 */
import type { LogFields, Logger, LogLevel } from "../connector/context.ts";

import type { LogLevels } from "./log_levels.ts";

export type LogFormat = "human" | "logfmt" | "json";

export interface LogOptions {
  /** Lines below this level are not written. {@linkcode LogLevels} is asked for each line. */
  readonly level: LogLevel | Pick<LogLevels, "admits">;
  readonly format: LogFormat;
  /** Takes a line with its line break. */
  readonly write: (line: string, level: LogLevel) => void;
  /** Unix milliseconds. */
  readonly now?: () => number;
  /** How many equal warnings or errors are written per interval. */
  readonly repeatsMax?: number;
  readonly repeatIntervalMs?: number;
}

const order: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
const repeatsMaxDefault = 10;
const repeatIntervalMsDefault = 10_000;
/** Bounds the memory of the repeat counters; beyond it the oldest is forgotten. */
const repeatKeysMax = 2000;
/** A field of this length is an accident, such as a payload in an error text. */
const fieldCharsMax = 2000;

interface Repeats {
  since: number;
  count: number;
}

/** Decides which of many equal lines are written. */
class RepeatLimit {
  readonly #max: number;
  readonly #intervalMs: number;
  readonly #repeats = new Map<string, Repeats>();

  constructor(max: number, intervalMs: number) {
    this.#max = max;
    this.#intervalMs = intervalMs;
  }

  /** Undefined when the line must not be written; else how many before it were not. */
  admit(key: string, now: number): number | undefined {
    const known = this.#repeats.get(key);
    if (known === undefined || now - known.since >= this.#intervalMs || now < known.since) {
      this.#repeats.delete(key);
      if (this.#repeats.size >= repeatKeysMax) this.#repeats.delete(this.#repeats.keys().next().value!);
      this.#repeats.set(key, { since: now, count: 1 });
      return known === undefined ? 0 : Math.max(0, known.count - this.#max);
    }
    known.count++;
    return known.count > this.#max ? undefined : 0;
  }
}

function shortened(value: string | number | boolean): string | number | boolean {
  if (typeof value !== "string" || value.length <= fieldCharsMax) return value;
  return `${value.slice(0, fieldCharsMax)}… (${value.length} characters)`;
}

/** Writes what a terminal would obey, or take for a line's end, as an escape that is valid in JSON too. */
function printable(line: string): string {
  return line.replaceAll(/[\p{Cc}\u2028\u2029]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Quotes what could be taken for several fields. */
function fieldText(value: string | number | boolean): string {
  const text = String(value);
  return text === "" || /[\s"=\\\p{Cc}]/u.test(text) ? JSON.stringify(text) : text;
}

function pairs(fields: LogFields): string {
  return Object.entries(fields).map(([key, value]) => value === undefined ? "" : ` ${key}=${fieldText(value)}`).join(
    "",
  );
}

function format(form: LogFormat, time: string, level: LogLevel, message: string, fields: LogFields): string {
  switch (form) {
    case "json":
      return JSON.stringify({ time, level, msg: message, ...fields });
    case "logfmt":
      return `time=${time} level=${level} msg=${fieldText(message)}${pairs(fields)}`;
    case "human":
      return `${time} ${level.toUpperCase().padEnd(5)} ${message}${pairs(fields)}`;
    default:
      return form satisfies never;
  }
}

/** A log with its own repeat counters, which loggers made by `with` share. */
export function createLog(options: LogOptions): Logger {
  const { level: given, format: form, write, now = Date.now } = options;
  const admits = typeof given === "string"
    ? (level: LogLevel) => order[level] >= order[given]
    : (level: LogLevel, scope: LogFields, fields: LogFields) => given.admits(level, scope, fields);
  const limit = new RepeatLimit(
    options.repeatsMax ?? repeatsMaxDefault,
    options.repeatIntervalMs ?? repeatIntervalMsDefault,
  );

  function scoped(scope: LogFields): Logger {
    const scopeKey = JSON.stringify(scope);

    function line(level: LogLevel, message: string, fields: LogFields = {}): void {
      if (!admits(level, scope, fields)) return;
      const time = now();
      // Floods are made of complaints. Other lines may be results that somebody waits for.
      const isComplaint = level === "warn" || level === "error";
      const suppressed = !isComplaint ? 0 : limit.admit(`${level} ${message} ${scopeKey}`, time);
      if (suppressed === undefined) return;
      const all: Record<string, string | number | boolean> = {};
      for (const [key, value] of Object.entries({ ...scope, ...fields })) {
        if (value !== undefined) all[key] = shortened(value);
      }
      if (suppressed > 0) all.suppressed = suppressed;
      write(`${printable(format(form, new Date(time).toISOString(), level, message, all))}\n`, level);
    }

    return {
      debug: (message, fields) => line("debug", message, fields),
      info: (message, fields) => line("info", message, fields),
      warn: (message, fields) => line("warn", message, fields),
      error: (message, fields) => line("error", message, fields),
      with: (fields) => scoped({ ...scope, ...fields }),
    };
  }

  return scoped({});
}
