/**
 * The text of `*.case` files: a rule, timed input rows, and what comes out.
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
 *   go on in the lines below; what stands behind the word is its first line. An indented line never begins a section.
 * - `stream` and `table` are CREATE statements without CREATE, as often as wanted; `definitions` is the path of a file
 *   with such statements, seen from the file of the case. Without any there is the stream `demo`, schemaless.
 * - `options` is one JSON object: the options of the rule, and besides `start` (when the rule starts, a time as in
 *   `rows`; `0s`), `ruleId`, and what is of the agent: `timezone` (UTC), `ignoreCase`, and by name the `state` and
 *   `properties` that the rule reads.
 * - `sql` is the SELECT. `rule` stands instead of it: the JSON of a rule, whose actions are not run and may be left out,
 *   or the path of a file with it, seen from the file of the case.
 * - `rows`: one payload a line, in the FORMAT of its stream, binary ones as Base64. In front of it stand optionally the
 *   time of its arrival, a duration since the Unix epoch or a datetime, and the name of its stream or table, which is
 *   the first of FROM when left out: `@9s alarms {"id":1}`. A time alone lets the clock run on. `meta {…}` gives the
 *   rows below their metadata.
 * - `gives`: what comes out, in order: the list of rows that an action gets, `! CODE text` for an error (any beginning
 *   of its text will do), and last `- reason count` for dropped rows. Results of a graph with several sinks have the name
 *   of their sink in front of the list. When some row has a time, results have theirs too;
 *   `@end` is the end of the input, which closes the open windows.
 * - `refused`, instead of `rows` and `gives`: one line per diagnostic, `CODE text under the carets -- hint`, the hint
 *   optional; or all of them as they are shown to people.
 * - A case with neither is not finished: its update writes what comes out.
 * @module
 */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { didYouMean } from "../diagnostics/suggest.ts";
import { splitStatements } from "../sql/split_statements.ts";
import { parseDateTime } from "../value/datetime_text.ts";
import { parseGoDuration } from "../value/go_duration.ts";
import type { Struct } from "../value/value.ts";

/** A payload, or only a time. Times are Unix milliseconds. */
export interface CaseRow {
  /** Of the file, from 1. */
  readonly line: number;
  readonly time: number | undefined;
  /** The stream or table it belongs to; undefined for the first of FROM. */
  readonly source: string | undefined;
  readonly payload: string | undefined;
  readonly meta: Struct | undefined;
}

export interface Outcome {
  readonly kind: "gives" | "refused";
  readonly lines: readonly string[];
}

/** What is tested: a statement, or the JSON of a rule, here or in a file. */
export type TestedRule =
  | { readonly kind: "sql"; readonly sql: string }
  | { readonly kind: "json"; readonly json: string }
  | { readonly kind: "file"; readonly path: string };

export interface Case {
  readonly name: string;
  /** Where its file stands, as it was given; for messages, and the place that paths are seen from. */
  readonly file: string;
  /** Line of `case` in the file, from 1. */
  readonly line: number;
  /** CREATE statements. */
  readonly streams: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
  readonly rule: TestedRule;
  /** When the rule starts, Unix milliseconds. */
  readonly start: number;
  readonly rows: readonly CaseRow[];
  /** True when results are written with their times. */
  readonly timed: boolean;
  /** True when times are written as datetimes. */
  readonly dated: boolean;
  /** Undefined for a case that is not finished. */
  readonly expected: Outcome | undefined;
  /** The lines of the file, from 0, that hold the outcome: from its word up to, not including, the end. */
  readonly outcomeLines: readonly [number, number];
}

/** A file is no list of cases. The message begins with the place, `FILE:LINE`. */
export class CaseFileError extends Error {
  constructor(file: string, line: number, message: string) {
    super(`${file}:${line}: ${message}`);
    this.name = "CaseFileError";
  }
}

const words = ["case", "stream", "table", "definitions", "options", "sql", "rule", "rows", "gives", "refused"] as const;
const sectionStart = new RegExp(`^(${words.join("|")})(?:[ \\t]+(.*))?$`);

interface Line {
  /** From 1. */
  readonly number: number;
  readonly text: string;
}

interface Section {
  readonly word: typeof words[number];
  /** From 1. */
  readonly line: number;
  /** Lines with what they hold; comments and blank lines are left out. */
  readonly lines: Line[];
  /** The number of its last line. */
  end: number;
}

const textOf = (section: Section): string => section.lines.map(({ text }) => text).join("\n");

/**
 * The cases of a file.
 *
 * @param file its path, as messages shall show it.
 * @throws {CaseFileError} when the text is no list of cases.
 */
export function parseCases(text: string, file: string): Case[] {
  const groups: Section[][] = [];
  for (const section of sectionsOf(text, file)) {
    if (section.word === "case") groups.push([section]);
    else if (groups.length > 0) groups.at(-1)!.push(section);
    else throw new CaseFileError(file, section.line, `"${section.word}" before the first "case"`);
  }
  return groups.map((sections) => new CaseReader(sections, file).read());
}

function sectionsOf(text: string, file: string): Section[] {
  const sections: Section[] = [];
  for (const [i, raw] of text.split("\n").entries()) {
    const line = raw.trimEnd();
    const number = i + 1;
    if (line === "" || line.startsWith("#")) continue;
    const match = sectionStart.exec(line);
    if (match !== null) {
      const first = match[2]?.trim() ?? "";
      const lines = first === "" ? [] : [{ number, text: first }];
      sections.push({ word: match[1] as Section["word"], line: number, lines, end: number });
      continue;
    }
    const open = sections.at(-1);
    if (open === undefined || open.word === "case") {
      const word = /^\S*/.exec(line)![0];
      const hint = didYouMean(word, words);
      const known = open === undefined ? '"case"' : words.slice(1).join(", ");
      throw new CaseFileError(
        file,
        number,
        `expected ${known}, found "${word}"${hint === undefined ? "" : `, ${hint}`}`,
      );
    }
    open.lines.push({ number, text: line });
    open.end = number;
  }
  return sections;
}

/** Reads the sections of one case. */
class CaseReader {
  readonly #sections: readonly Section[];
  readonly #file: string;

  constructor(sections: readonly Section[], file: string) {
    this.#sections = sections;
    this.#file = file;
  }

  read(): Case {
    const head = this.#sections[0]!;
    const outcome = this.#either("gives", "refused");
    const rule = this.#rule();
    const streams = this.#sections.flatMap((section) => this.#definitions(section));
    const names = streams.flatMap((text) => {
      const [, quoted, plain] = /\bCREATE\s+(?:STREAM|TABLE)\s+(?:`([^`]*)`|([^\s(]+))/i.exec(text) ?? [];
      return quoted ?? plain ?? [];
    });
    const rows = this.#rows(names);
    const { options, start } = this.#options();
    const last = this.#sections.at(-1)!.end;
    const times = [options.start, ...this.#one("rows")?.lines.map(({ text }) => /^\s*@(\S+)/.exec(text)?.[1]) ?? []];
    return {
      name: textOf(head),
      file: this.#file,
      line: head.line,
      streams,
      options,
      rule,
      start,
      rows,
      timed: rows.some((row) => row.time !== undefined),
      dated: times.some((time) => typeof time === "string" && parseGoDuration(time) === undefined),
      expected: outcome === undefined
        ? undefined
        : { kind: outcome.word as Outcome["kind"], lines: outcome.lines.map(({ text }) => text) },
      outcomeLines: outcome === undefined ? [last, last] : [outcome.line - 1, outcome.end],
    };
  }

  /** The CREATE statements of a section. */
  #definitions(section: Section): string[] {
    const text = textOf(section);
    if (section.word === "stream" || section.word === "table") return [`CREATE ${section.word.toUpperCase()} ${text}`];
    if (section.word !== "definitions") return [];
    try {
      return splitStatements(readFileSync(resolve(dirname(this.#file), text), "utf8"));
    } catch (error) {
      this.#fail(section.line, `cannot read the definitions ${text}: ${(error as Error).message}`);
    }
  }

  #fail(line: number, message: string): never {
    throw new CaseFileError(this.#file, line, message);
  }

  #one(word: Section["word"]): Section | undefined {
    const [first, second] = this.#sections.filter((section) => section.word === word);
    if (second !== undefined) this.#fail(second.line, `a second "${word}" in one case`);
    return first;
  }

  #either(a: Section["word"], b: Section["word"]): Section | undefined {
    const [first, second] = [this.#one(a), this.#one(b)];
    if (first !== undefined && second !== undefined) this.#fail(second.line, `a case has either "${a}" or "${b}"`);
    return first ?? second;
  }

  #rule(): TestedRule {
    const section = this.#either("sql", "rule");
    if (section === undefined) this.#fail(this.#sections[0]!.line, 'a case needs "sql" or "rule"');
    const text = textOf(section);
    if (section.word === "sql") return { kind: "sql", sql: text };
    if (text === "") this.#fail(section.line, 'expected the JSON of a rule behind "rule", or the path of its file');
    return text.startsWith("{") ? { kind: "json", json: text } : { kind: "file", path: text };
  }

  #options(): Pick<Case, "options" | "start"> {
    const section = this.#one("options");
    if (section === undefined) return { options: {}, start: 0 };
    const options = this.#json(textOf(section), section.line);
    const start = options.start === undefined ? 0 : this.#time(String(options.start), section.line);
    return { options, start };
  }

  #json(text: string, line: number): Struct {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      this.#fail(line, `expected a JSON object, found ${text.slice(0, 60)}: ${(error as Error).message}`);
    }
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Struct;
    this.#fail(line, `expected a JSON object, found ${text.slice(0, 60)}`);
  }

  #time(text: string, line: number): number {
    const ms = parseGoDuration(text) ?? parseDateTime(text, "UTC", 0)?.ms;
    return ms ?? this.#fail(line, `expected a duration such as 9.5s or a datetime, found "${text}"`);
  }

  #rows(names: readonly string[]): CaseRow[] {
    const rows: CaseRow[] = [];
    let meta: Struct | undefined;
    for (const { number, text } of this.#one("rows")?.lines ?? []) {
      const metaText = /^\s*meta\s+(\{.*)$/.exec(text)?.[1];
      if (metaText !== undefined) {
        meta = this.#json(metaText, number);
        continue;
      }
      const [, at, rest] = /^\s*(?:@(\S+))?\s*(.*)$/.exec(text)!;
      const time = at === undefined ? undefined : this.#time(at, number);
      const { source, payload } = this.#split(rest!, names, number);
      rows.push({ line: number, time, source, payload: payload === "" ? undefined : payload, meta });
    }
    return rows;
  }

  /** A name in front of the payload. Where there are several, a word before JSON that is none of them is a slip. */
  #split(text: string, names: readonly string[], line: number): { source: string | undefined; payload: string } {
    const [, word, payload] = /^([^\s{[]+)\s+(.*)$/.exec(text) ?? [];
    if (word === undefined) return { source: undefined, payload: text };
    if (names.includes(word)) return { source: word, payload: payload! };
    if (names.length > 1 && /^[{[]/.test(payload!)) {
      this.#fail(line, `unknown stream or table "${word}": the case has ${names.join(", ")}`);
    }
    return { source: undefined, payload: text };
  }
}

/** A time as the case writes its own. */
export function timeText(c: Case, ms: number): string {
  return c.dated ? `@${new Date(ms).toISOString().replace(".000Z", "Z")}` : `@${ms / 1000}s`;
}

/** The text of a file with the outcomes of `changes` written anew. */
export function withOutcomes(text: string, changes: ReadonlyMap<Case, Outcome>): string {
  const lines = text.split("\n");
  const bottomUp = [...changes].sort(([a], [b]) => b.line - a.line);
  for (const [{ outcomeLines: [from, to] }, { kind, lines: actual }] of bottomUp) {
    const written = actual.length === 1 ? [`${kind} ${actual[0]}`] : [kind, ...actual];
    lines.splice(from, to - from, ...written);
  }
  return lines.join("\n");
}
