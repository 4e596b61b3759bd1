/**
 * LIKE: `%` is any run without line breaks, `_` one character that is no line break, `\%` and `\_` stand for
 * themselves, everything else is literal. The whole string must match.
 *
 * Matching takes time in proportion to text × pattern at worst, whatever the pattern, which a regular expression with
 * several wildcards would not.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { kindOf } from "../../value/value.ts";
import type { Evaluator } from "./evaluator.ts";

const anyRun = -1;
const anyOne = -2;

/** One line of a pattern: code points, {@linkcode anyRun} and {@linkcode anyOne}. */
type LinePattern = readonly number[];

function parsePattern(pattern: string): LinePattern[] {
  const lines: number[][] = [[]];
  const points = Array.from(pattern);
  for (let i = 0; i < points.length; i++) {
    const c = points[i]!;
    const line = lines.at(-1)!;
    const next = points[i + 1];
    if (c === "\n") lines.push([]);
    else if (c === "\\" && (next === "%" || next === "_")) line.push(points[++i]!.codePointAt(0)!);
    else if (c === "%") line.at(-1) === anyRun || line.push(anyRun);
    else if (c === "_") line.push(anyOne);
    else line.push(c.codePointAt(0)!);
  }
  return lines;
}

/** The classic two-pointer match: on a mismatch the latest `%` takes one character more. */
function matchesLine(text: string, pattern: LinePattern): boolean {
  let t = 0;
  let p = 0;
  let runAt = -1;
  let runText = 0;
  while (t < text.length) {
    const point = text.codePointAt(t)!;
    const token = pattern[p];
    if (token === anyRun) {
      runAt = p++;
      runText = t;
    } else if (token === anyOne || token === point) {
      p++;
      t += point > 0xffff ? 2 : 1;
    } else if (runAt !== -1) {
      p = runAt + 1;
      runText += text.codePointAt(runText)! > 0xffff ? 2 : 1;
      t = runText;
    } else {
      return false;
    }
  }
  while (pattern[p] === anyRun) p++;
  return p === pattern.length;
}

/** The usual patterns, `abc`, `abc%`, `%abc` and `%abc%`, by the string functions of the engine. */
function quickMatcher(line: LinePattern): ((text: string) => boolean) | undefined {
  const open = line[0] === anyRun;
  const openEnd = line.length > 1 && line.at(-1) === anyRun;
  const middle = line.slice(open ? 1 : 0, openEnd ? -1 : undefined);
  if (middle.includes(anyRun) || middle.includes(anyOne)) return undefined;
  const literal = middle.map((point) => String.fromCodePoint(point)).join("");
  // Half a character must not match inside a whole one.
  if (!literal.isWellFormed()) return undefined;
  if (open) return openEnd || literal === "" ? (text) => text.includes(literal) : (text) => text.endsWith(literal);
  return openEnd ? (text) => text.startsWith(literal) : (text) => text === literal;
}

/** A test for one pattern. */
export function likeMatcher(pattern: string): (text: string) => boolean {
  const lines = parsePattern(pattern);
  const only = lines.length === 1 ? lines[0] : undefined;
  if (only !== undefined) {
    const matches = quickMatcher(only) ?? ((text: string) => matchesLine(text, only));
    return (text) => matches(text) && !text.includes("\n");
  }
  // Wildcards match no line breaks, so those of the text must be those of the pattern, line by line.
  return (text) => {
    const parts = text.split("\n");
    return parts.length === lines.length && parts.every((part, i) => matchesLine(part, lines[i]!));
  };
}

/** Patterns from columns repeat; the last one is kept. */
export function compileLike(operand: Evaluator, pattern: Evaluator, negated: boolean): Evaluator {
  let lastPattern: string | undefined;
  let matches: (text: string) => boolean = () => false;
  return (row) => {
    const value = operand(row);
    if (typeof value !== "string") {
      throw new RowError("E502", `LIKE needs a string on its left, found ${kindOf(value)}`);
    }
    const text = pattern(row);
    if (typeof text !== "string") throw new RowError("E502", `LIKE needs a string pattern, found ${kindOf(text)}`);
    if (text !== lastPattern) {
      matches = likeMatcher(text);
      lastPattern = text;
    }
    return matches(value) !== negated;
  };
}
