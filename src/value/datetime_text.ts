/**
 * Datetimes as text: reading the built-in formats, and the patterns of `format_time` and `TIMESTAMP_FORMAT`.
 * @module
 */
import type { DateTime } from "./datetime.ts";
import { fraction, type Layout, layoutReader, type Part, parts, writeLayout } from "./datetime_layout.ts";

/** The built-in formats in Go's notation, in the order they are tried. Seconds may carry a fraction in all of them. */
const builtInFormats = [
  // What devices send by far the most comes first; no format below reads these texts differently.
  "2006-01-02T15:04:05Z07:00",
  "2006-01-02T15:04:05",
  "2006",
  "2006-1",
  "2006-1-2",
  "2006-1-2 15",
  "2006-1-2 15:4",
  "2006-1-2 15:4:5",
  "1-2",
  "15:4:5",
  "15:4",
  "15",
  "15:4:5 Jan 2, 2006 MST",
  "2006-01-02 15:04:05 -0700 MST",
  "2006-01-02T15:04:05Z0700",
  "2006-01-02T15:04:05Z07",
  "2006.1.2",
  "2006.1.2 15:04:05",
  "2006.01.02",
  "2006.01.02 15:04:05",
  "1/2/2006",
  "1/2/2006 15:4:5",
  "2006/01/02",
  "20060102",
  "2006/01/02 15:04:05",
  "Mon Jan _2 15:04:05 2006", // ANSI C
  "Mon Jan _2 15:04:05 MST 2006", // Unix
  "Mon Jan 02 15:04:05 -0700 2006", // Ruby
  "02 Jan 06 15:04 MST", // RFC 822
  "02 Jan 06 15:04 -0700",
  "Monday, 02-Jan-06 15:04:05 MST", // RFC 850
  "Mon, 02 Jan 2006 15:04:05 MST", // RFC 1123
  "Mon, 02 Jan 2006 15:04:05 -0700",
  "3:04PM",
  "Jan _2 15:04:05",
];

const goPart =
  /2006|January|Jan|Monday|Mon|MST|Z07:00|Z0700|Z07|-07:00|-0700|-07(?!\d)|PM|_2|01|02|03|04|05|06|15|1|2|3|4|5/y;

function goLayout(format: string): Layout {
  const layout: (string | Part)[] = [];
  for (let i = 0; i < format.length;) {
    goPart.lastIndex = i;
    const name = goPart.exec(format)?.[0] as keyof typeof parts | undefined;
    if (name === undefined) {
      layout.push(format[i++]!);
      continue;
    }
    layout.push(parts[name]);
    if (name === "05" || name === "5") layout.push(parts[".9"]);
    i += name.length;
  }
  return layout;
}

const readers = builtInFormats.map((format) => layoutReader(goLayout(format)));

/** Longer than any text in a built-in format with a fraction of nanoseconds. */
const lengthMax = 64;

/**
 * Reads `text` in the first built-in format that fits, or gives undefined.
 *
 * @param zone The zone of texts that name none.
 * @param now Unix milliseconds; supplies a missing year, or the whole date of a bare time.
 * @example
 * ```ts
 * parseDateTime("2026-1-2 3:04:05", "UTC", 0)?.ms; // Date.UTC(2026, 0, 2, 3, 4, 5)
 * ```
 */
export function parseDateTime(text: string, zone: string, now: number): DateTime | undefined {
  if (text.length > lengthMax) return undefined;
  for (const read of readers) {
    const time = read(text, zone, now);
    if (time !== undefined) return time;
  }
  return undefined;
}

/** A pattern such as `YYYY-MM-dd HH:mm:ssSSS`, ready to write and to read with. */
export interface DateTimePattern {
  write(time: DateTime): string;
  /** Undefined when `text` does not fit; `zone` and `now` as for {@linkcode parseDateTime}. */
  read(text: string, zone: string, now: number): DateTime | undefined;
}

/** What each letter means, by how often it is repeated. `S` is not here: any number goes. */
const patternLetters: Readonly<Record<string, Readonly<Record<number, Part>>>> = {
  Y: { 4: parts["2006"], 2: parts["06"] },
  y: { 4: parts["2006"], 2: parts["06"] },
  M: { 1: parts["1"], 2: parts["01"], 3: parts.Jan, 4: parts.January },
  d: { 1: parts["2"], 2: parts["02"] },
  E: { 3: parts.Mon, 4: parts.Monday },
  a: { 1: parts.PM },
  H: { 2: parts["15"] },
  h: { 1: parts["3"], 2: parts["03"] },
  m: { 1: parts["4"], 2: parts["04"] },
  s: { 1: parts["5"], 2: parts["05"] },
  z: { 1: parts.MST },
  Z: { 1: parts["-0700"] },
  X: { 1: parts["-07"], 2: parts["-0700"], 3: parts["-07:00"] },
};

/**
 * Compiles a pattern of `format_time` or `TIMESTAMP_FORMAT`.
 *
 * `S` stands for a point and digits, so that `ssSSS` is `05.123`; a point written before it is not doubled.
 *
 * @throws {Error} when a letter is repeated in a way that has no meaning, or a quote has no end.
 */
export function compilePattern(pattern: string): DateTimePattern {
  const layout: (string | Part)[] = [];
  for (let i = 0; i < pattern.length;) {
    const letter = pattern[i]!;
    if (letter === "\\") {
      if (i + 1 < pattern.length) layout.push(pattern[i + 1]!);
      i += 2;
    } else if (letter === "'") {
      const end = closingQuote(pattern, i);
      layout.push(end === i + 1 ? "'" : pattern.slice(i + 1, end).replaceAll("''", "'"));
      i = end + 1;
    } else {
      let end = i + 1;
      while (pattern[end] === letter) end++;
      layout.push(...lettersOf(pattern, letter, end - i, layout.at(-1)));
      i = end;
    }
  }
  const read = layoutReader(layout);
  return { write: (time) => writeLayout(layout, time), read };
}

function lettersOf(pattern: string, letter: string, count: number, before: string | Part | undefined): Layout {
  if (letter === "S") return [fraction(count, before === "." || before === "," ? "" : ".")];
  if (letter === "G") return ["AD"];
  const meanings = Object.hasOwn(patternLetters, letter) ? patternLetters[letter] : undefined;
  if (meanings === undefined) return new Array<string>(count).fill(letter);
  const part = meanings[count];
  if (part === undefined) throw new Error(`the time pattern "${pattern}" has no meaning at "${letter.repeat(count)}"`);
  return [part];
}

/** Where the quoted text that starts at `start` ends; a doubled quote inside stands for a quote. */
function closingQuote(pattern: string, start: number): number {
  if (pattern[start + 1] === "'") return start + 1;
  for (let i = start + 1; i < pattern.length; i++) {
    if (pattern[i] !== "'") continue;
    if (pattern[i + 1] !== "'") return i;
    i++;
  }
  throw new Error(`the time pattern "${pattern}" has a quote without end`);
}
