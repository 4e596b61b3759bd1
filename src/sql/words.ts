/**
 * The words of the dialect that more than one part of the front end must know: the grammar, the printer and the
 * messages for syntax errors.
 * @module
 */
import type { TimeUnit, WindowFunctionName } from "./ast.ts";

/** Words that need back quotes to be names. Every other word, such as CREATE or WINDOW, stays usable as a name. */
export const reservedWords: ReadonlySet<string> = new Set(
  ("SELECT AS FROM WHERE AND OR GROUP HAVING ORDER BY DESC ASC FILTER INNER LEFT RIGHT FULL CROSS JOIN ON CASE WHEN " +
    "THEN DEFAULT ELSE END IN NOT BETWEEN LIKE OVER PARTITION REPLACE EXCEPT INVISIBLE TRUE FALSE DD HH MI SS MS LIMIT")
    .split(" "),
);

/** True for `select`, `Select`, `SELECT`. */
export function isReserved(word: string): boolean {
  return reservedWords.has(word.toUpperCase());
}

const windowFunctionNames: ReadonlySet<string> = new Set<WindowFunctionName>([
  "tumblingwindow",
  "hoppingwindow",
  "slidingwindow",
  "sessionwindow",
  "countwindow",
  "statewindow",
]);

/** True for the names of function-style windows, in any case. */
export function isWindowFunction(name: string): boolean {
  return windowFunctionNames.has(name.toLowerCase());
}

const timeUnits: ReadonlySet<string> = new Set<TimeUnit>(["dd", "hh", "mi", "ss", "ms"]);

/** True for `dd hh mi ss ms`, in any case. */
export function isTimeUnit(word: string): boolean {
  return timeUnits.has(word.toLowerCase());
}

const unitWords: Readonly<Record<string, TimeUnit>> = {
  MILLISECOND: "ms",
  MILLISECONDS: "ms",
  SECOND: "ss",
  SECONDS: "ss",
  MINUTE: "mi",
  MINUTES: "mi",
  HOUR: "hh",
  HOURS: "hh",
  DAY: "dd",
  DAYS: "dd",
};

/** The unit that `SECOND`, `seconds`, `MINUTE` … mean in clause-style windows, or undefined for another word. */
export function unitOfWord(word: string): TimeUnit | undefined {
  const upper = word.toUpperCase();
  return Object.hasOwn(unitWords, upper) ? unitWords[upper] : undefined;
}

/** The word that {@linkcode unitOfWord} reads as `unit`. */
export function wordOfUnit(unit: TimeUnit): string {
  return { ms: "MILLISECOND", ss: "SECOND", mi: "MINUTE", hh: "HOUR", dd: "DAY" }[unit];
}
