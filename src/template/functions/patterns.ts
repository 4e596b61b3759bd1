/**
 * Regular expressions in RE2 syntax, whose time is bounded.
 * @module
 */
import { compileRe2, type Match, type Re2 } from "../../sql/functions/re2.ts";
import { newSearchBudget } from "../../sql/functions/re2_machine.ts";
import type { Run } from "../run.ts";
import { type Category, defineFunction, type TemplateFunction } from "./declare.ts";

const category: Category = "regular expressions";

/** Patterns remembered by one template. Most are literals, some come out of rows. */
const patternsMax = 32;

/** A search costs far more than a step. */
const stepsPerSearch = 50;

/** Compiling a pattern costs about as much as so many steps for each of its characters. */
const stepsPerPatternCharacter = 100;

function compiled(run: Run, source: string): Re2 {
  const { patterns } = run.surroundings;
  const known = patterns.get(source);
  if (known !== undefined) return known;
  run.spend(1000 + source.length * stepsPerPatternCharacter);
  const fresh = compileRe2(source, "regular expression");
  if (patterns.size >= patternsMax) patterns.clear();
  patterns.set(source, fresh);
  return fresh;
}

/** Up to `max` matches from left to right; a match of nothing right behind another is none. */
function matches(run: Run, source: string, text: string, max = Infinity): Match[] {
  const pattern = compiled(run, source);
  const budget = newSearchBudget();
  // A part of what one search may cost is left when several share the time of one evaluation.
  budget.left >>= 2;
  const before = budget.left;
  const found: Match[] = [];
  let from = 0;
  let lastEnd = -1;
  while (from <= text.length && found.length < max) {
    run.spend(stepsPerSearch + (text.length - from >> 6));
    const match = pattern.find(text, from, budget);
    if (match === undefined) break;
    if (match.end > match.start || match.start !== lastEnd) {
      found.push(match);
      lastEnd = match.end;
    }
    from = match.end > match.start ? match.end : match.end + width(text, match.end);
  }
  run.spend(before - budget.left);
  return found;
}

/** UTF-16 units of the character at a place. */
function width(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
}

function replaced(run: Run, source: string, text: string, make: (match: Match) => string): string {
  let result = "";
  let end = 0;
  for (const match of matches(run, source, text)) {
    result += text.slice(end, match.start) + make(match);
    end = match.end;
    run.spendText(result.length);
  }
  return result + text.slice(end);
}

/** `$1`, `${1}` and `${name}` stand for a group, `$$` for a dollar sign; a group that is not there is empty. */
function expanded(replacement: string, match: Match, names: ReadonlyMap<string, number>): string {
  return replacement.replace(/\$(?:(\$)|\{([\p{L}\p{Nd}_]+)\}|([\p{L}\p{Nd}_]+))/gu, (_, dollar, braced, bare) => {
    if (dollar !== undefined) return "$";
    const name: string = braced ?? bare;
    const group = /^\d+$/.test(name) ? Number(name) : names.get(name);
    return group === undefined ? "" : match.groups[group] ?? "";
  });
}

function limit(count: number): number {
  return count < 0 ? Infinity : count;
}

export const patternFunctions: readonly TemplateFunction[] = [
  defineFunction({
    name: "regexMatch",
    aliases: ["mustRegexMatch"],
    category,
    doc: "True when the pattern matches anywhere in the text.",
    example: { template: '{{regexMatch "^pump-[0-9]+$" "pump-7"}}', gives: "true" },
    params: ["string", "string"],
    run: (run, pattern, text) => matches(run, pattern, text, 1).length > 0,
  }),
  defineFunction({
    name: "regexFind",
    aliases: ["mustRegexFind"],
    category,
    doc: "The first match, or the empty text.",
    example: { template: '{{regexFind "[a-z][1-9]" "abcd1234"}}', gives: "d1" },
    params: ["string", "string"],
    run: (run, pattern, text) => matches(run, pattern, text, 1)[0]?.groups[0] ?? "",
  }),
  defineFunction({
    name: "regexFindAll",
    aliases: ["mustRegexFindAll"],
    category,
    doc: "A list of up to so many matches; -1 stands for all.",
    example: { template: '{{regexFindAll "[2468]" "123456789" -1}}', gives: "[2 4 6 8]" },
    params: ["string", "string", "int"],
    run: (run, pattern, text, count) => matches(run, pattern, text, limit(count)).map((match) => match.groups[0]),
  }),
  defineFunction({
    name: "regexReplaceAll",
    aliases: ["mustRegexReplaceAll"],
    category,
    doc: "The text with every match replaced; `${1}` stands for a group.",
    example: { template: '{{regexReplaceAll "a(x*)b" "-ab-axxb-" "${1}W"}}', gives: "-W-xxW-" },
    params: ["string", "string", "string"],
    run: (run, pattern, text, replacement) => {
      const names = compiled(run, pattern).groupNames;
      return replaced(run, pattern, text, (match) => {
        run.spend(replacement.length >> 2);
        return expanded(replacement, match, names);
      });
    },
  }),
  defineFunction({
    name: "regexReplaceAllLiteral",
    aliases: ["mustRegexReplaceAllLiteral"],
    category,
    doc: "The text with every match replaced by a text as it is.",
    example: { template: '{{regexReplaceAllLiteral "a(x*)b" "-ab-axxb-" "${1}"}}', gives: "-${1}-${1}-" },
    params: ["string", "string", "string"],
    run: (run, pattern, text, replacement) => replaced(run, pattern, text, () => replacement),
  }),
  defineFunction({
    name: "regexSplit",
    aliases: ["mustRegexSplit"],
    category,
    doc: "Up to so many parts of the text between matches; -1 stands for all.",
    example: { template: '{{regexSplit "z+" "pizza" -1}}', gives: "[pi a]" },
    params: ["string", "string", "int"],
    run: (run, pattern, text, count) => {
      if (count === 0) return [];
      if (text === "" && pattern !== "") return [""];
      const parts: string[] = [];
      let start = 0;
      let end = 0;
      for (const match of matches(run, pattern, text)) {
        if (count > 0 && parts.length === count - 1) break;
        end = match.start;
        if (match.end !== 0) parts.push(text.slice(start, end));
        start = match.end;
      }
      if (end !== text.length) parts.push(text.slice(start));
      return parts;
    },
  }),
  defineFunction({
    name: "regexQuoteMeta",
    category,
    doc: "A pattern that matches just this text.",
    example: { template: '{{regexQuoteMeta "1.2"}}', gives: "1\\.2" },
    params: ["string"],
    run: (_run, text) => text.replace(/[\\.+*?()|[\]{}^$]/g, "\\$&"),
  }),
];
