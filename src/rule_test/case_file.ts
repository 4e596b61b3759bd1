/**
 * The text of `*.case` files: SQL, timed input rows, and what comes out.
 *
 * ```
 * case 18 tumbling windows are aligned to the clock
 * options {"start":"7s"}
 * sql SELECT collect(v) AS v, window_start() AS s FROM demo GROUP BY TUMBLINGWINDOW(ss, 20)
 * rows
 * @9s {"v":"A"}
 * @20s {"v":"C"}
 * @40s
 * gives
 * @20s [{"s":7000,"v":["A"]}]
 * @40s [{"s":20000,"v":["C"]}]
 * ```
 *
 * - A file is a list of cases; `#` starts a comment line, blank lines are free. A section begins with its word and may
 *   go on in the lines below; what stands behind the word is its first line.
 * - `stream` and `table` are CREATE statements without CREATE, as often as wanted; without one there is the stream
 *   `demo`, schemaless.
 * - `options` is one JSON object: `isEventTime`, `lateTolerance` (ms), `sendNilField`, `sendMetaToSink`, `timezone`
 *   (UTC), `start` (when the rule starts, a duration, `0s`).
 * - `rows`: one payload a line, in front of it optionally the time of its arrival as a duration since the Unix epoch; a
 *   time alone lets the clock run on. `meta {…}` gives the rows below their metadata.
 * - `gives`: what comes out, in order: the list of rows that an action gets, `! CODE text` for an error (any beginning
 *   of its text will do), and last `- reason count` for dropped rows. When some row has a time, results have theirs too;
 *   `@end` is the end of the input, which closes the open windows.
 * - `refused`, instead of `rows` and `gives`: one line per diagnostic, `CODE text under the carets -- hint`, the hint
 *   optional; or all of them as they are shown to people.
 * @module
 */
import { parseGoDuration } from "../value/go_duration.ts";

/** A payload, or only a time. Times are Unix milliseconds. */
export interface CaseRow {
  readonly time: number | undefined;
  readonly payload: string | undefined;
  readonly meta: string | undefined;
}

export interface Case {
  readonly name: string;
  /** Line of `case` in the file, from 1. */
  readonly line: number;
  readonly streams: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
  readonly sql: string;
  readonly rows: readonly CaseRow[];
  /** True when results are written with their times. */
  readonly timed: boolean;
  readonly outcome: "gives" | "refused";
  /** The lines of the outcome. */
  readonly expected: readonly string[];
  /** The lines of the file, from 0, that hold the outcome: from its word up to, not including, the end. */
  readonly outcomeLines: readonly [number, number];
}

const sectionStart = /^(case|stream|table|options|sql|rows|gives|refused)(?:[ \t]+(.*))?$/;

interface Section {
  readonly word: string;
  readonly line: number;
  /** Lines with what they hold; comments and blank lines are left out. */
  readonly lines: string[];
  end: number;
}

function sectionsOf(text: string): Section[] {
  const sections: Section[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const match = sectionStart.exec(line);
    if (match !== null) {
      const first = match[2]?.trim() ?? "";
      sections.push({ word: match[1]!, line: i, lines: first === "" ? [] : [first], end: i + 1 });
      continue;
    }
    const open = sections.at(-1);
    if (open === undefined) throw new Error(`line ${i + 1}: expected "case", found ${JSON.stringify(line)}`);
    open.lines.push(line.trimEnd());
    open.end = i + 1;
  }
  return sections;
}

/** @throws {Error} with the line when the text is no list of cases. */
export function parseCases(text: string): Case[] {
  const groups: Section[][] = [];
  for (const section of sectionsOf(text)) {
    if (section.word === "case") groups.push([section]);
    else if (groups.length === 0) throw new Error(`line ${section.line + 1}: ${section.word} before the first case`);
    else groups.at(-1)!.push(section);
  }
  return groups.map(toCase);
}

function toCase(sections: readonly Section[]): Case {
  const head = sections[0]!;
  const one = (word: string): Section | undefined => {
    const found = sections.filter((s) => s.word === word);
    if (found.length > 1) throw new Error(`line ${found[1]!.line + 1}: a second ${word} in one case`);
    return found[0];
  };
  const gives = one("gives");
  const outcome = gives ?? one("refused");
  const sql = one("sql");
  if (sql === undefined || outcome === undefined || (gives !== undefined && one("refused") !== undefined)) {
    throw new Error(`line ${head.line + 1}: a case needs sql, and either gives or refused`);
  }
  const rows = rowsOf(one("rows"));
  return {
    name: head.lines.join(" "),
    line: head.line + 1,
    streams: sections.filter((s) => s.word === "stream" || s.word === "table").map((s) =>
      `CREATE ${s.word.toUpperCase()} ${s.lines.join("\n")}`
    ),
    options: JSON.parse(one("options")?.lines.join("\n") ?? "{}") as Record<string, unknown>,
    sql: sql.lines.join("\n"),
    rows,
    timed: rows.some((row) => row.time !== undefined),
    outcome: outcome === gives ? "gives" : "refused",
    expected: outcome.lines,
    outcomeLines: [outcome.line, outcome.end],
  };
}

function rowsOf(section: Section | undefined): CaseRow[] {
  const rows: CaseRow[] = [];
  let meta: string | undefined;
  for (const line of section?.lines ?? []) {
    if (line.startsWith("meta ")) {
      meta = line.slice("meta ".length);
      continue;
    }
    const [, at, payload] = /^(?:@(\S+))?\s*(.*)$/.exec(line)!;
    const time = at === undefined ? undefined : durationMs(at, section!.line);
    rows.push({ time, payload: payload === "" ? undefined : payload, meta });
  }
  return rows;
}

function durationMs(text: string, line: number): number {
  const ms = parseGoDuration(text);
  if (ms === undefined) throw new Error(`near line ${line + 1}: "${text}" is not a duration`);
  return ms;
}

/** The start of the rule. */
export function startOf(c: Case): number {
  return c.options.start === undefined ? 0 : durationMs(String(c.options.start), c.line);
}

/** A time as these files write it. */
export function timeText(ms: number): string {
  return `@${ms / 1000}s`;
}

/** The text with the outcomes of `changes` written anew. */
export function withOutcomes(text: string, changes: ReadonlyMap<Case, readonly string[]>): string {
  const lines = text.split("\n");
  const bottomUp = [...changes].sort(([a], [b]) => b.line - a.line);
  for (const [{ outcome, outcomeLines: [from, to] }, actual] of bottomUp) {
    const written = actual.length === 1 ? [`${outcome} ${actual[0]}`] : [outcome, ...actual];
    lines.splice(from, to - from, ...written);
  }
  return lines.join("\n");
}
