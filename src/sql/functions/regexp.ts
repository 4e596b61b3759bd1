/**
 * The functions that match regular expressions, all in RE2 syntax.
 * @module
 */
import { defineFunction, text } from "./declare.ts";
import { compileRe2, type Match, type Re2 } from "./re2.ts";
import { newSearchBudget } from "./re2_machine.ts";
import { checkSize } from "./result_size.ts";

/** A rule whose patterns come out of rows rarely has more than a few of them. */
const patternsMax = 64;

/** Gives the compiled form of a pattern: of the literal one, compiled now, or of those that rows bring. */
function patternSource(literal: string | undefined, functionName: string): (pattern: string) => Re2 {
  if (literal !== undefined) {
    const fixed = compileRe2(literal, functionName);
    return () => fixed;
  }
  const known = new Map<string, Re2>();
  return (pattern) => {
    let compiled = known.get(pattern);
    if (compiled === undefined) {
      compiled = compileRe2(pattern, functionName);
      if (known.size >= patternsMax) known.clear();
      known.set(pattern, compiled);
    }
    return compiled;
  };
}

export const regexpMatches = defineFunction({
  name: "regexp_matches",
  category: "text",
  returns: "boolean",
  nulls: "false",
  params: [text("value"), text("pattern")],
  doc: "True when the regular expression `pattern` (RE2 syntax) matches anywhere in `value`.",
  examples: [
    { sql: "regexp_matches('pump-7', '^pump-[0-9]$')", gives: true },
    { sql: "regexp_matches('PUMP-7', '(?i)pump')", gives: true },
    { sql: "regexp_matches('valve', 'pump')", gives: false },
    { sql: "regexp_matches(value, 'a')", gives: false },
    { sql: "regexp_matches(value, '(')", fails: "E214" },
    { sql: "regexp_matches(value, pattern)", rows: [{ value: "a", pattern: "(" }], fails: "E506" },
    { sql: "regexp_matches(value, '(a)\\\\1')", fails: "E214" },
  ],
  compile(constants) {
    const compiled = patternSource(constants.pattern, "regexp_matches");
    return (value, pattern) => compiled(pattern).find(value, 0) !== undefined;
  },
});

export const regexpSubstr = defineFunction({
  name: "regexp_substr",
  aliases: ["regexp_substring"],
  category: "text",
  returns: "string",
  nulls: "propagate",
  params: [text("value"), text("pattern")],
  doc: "The first match of the regular expression `pattern` (RE2 syntax) in `value`, or the empty text.",
  examples: [
    { sql: "regexp_substr('pump-71', '[0-9]+')", gives: "71" },
    { sql: "regexp_substr('pump', '[0-9]+')", gives: "" },
    { sql: "regexp_substr(value, 'a')", gives: null },
    { sql: "regexp_substr(value, 'a**')", fails: "E214" },
  ],
  compile(constants) {
    const compiled = patternSource(constants.pattern, "regexp_substr");
    return (value, pattern) => compiled(pattern).find(value, 0)?.groups[0] ?? "";
  },
});

export const regexpReplace = defineFunction({
  name: "regexp_replace",
  category: "text",
  returns: "string",
  nulls: "propagate",
  params: [text("value"), text("pattern"), text("replacement")],
  doc: "`value` with every match of the regular expression `pattern` (RE2 syntax) replaced. In `replacement`, `$1`, " +
    "`${1}` and `${name}` stand for the text of a group and `$$` for a dollar sign.",
  examples: [
    { sql: "regexp_replace('a1b22', '[0-9]+', '#')", gives: "a#b#" },
    { sql: "regexp_replace('pump-7', '(\\\\w+)-(\\\\d)', '$2 $1')", gives: "7 pump" },
    { sql: "regexp_replace('abc', 'x*', '-')", gives: "-a-b-c-" },
    { sql: "regexp_replace(value, 'a', 'b')", gives: null },
    { sql: "regexp_replace(value, '(?=a)', 'b')", fails: "E214" },
  ],
  compile(constants) {
    const compiled = patternSource(constants.pattern, "regexp_replace");
    return (value, pattern, replacement) => replaceAll(value, compiled(pattern), replacement);
  },
});

function replaceAll(value: string, re2: Re2, replacement: string): string {
  let result = "";
  let copied = 0;
  let lastEnd = -1;
  const budget = newSearchBudget();
  for (let from = 0; from <= value.length;) {
    const match = re2.find(value, from, budget);
    if (match === undefined) break;
    // As in Go, an empty match right behind another match does not count.
    if (match.end > match.start || match.start !== lastEnd) {
      result += value.slice(copied, match.start) + expand(replacement, match, re2.groupNames);
      checkSize("regexp_replace", Math.max(0, result.length - value.length));
      copied = match.end;
      lastEnd = match.end;
    }
    from = match.end > match.start ? match.end : match.end + (value.codePointAt(match.end)! > 0xffff ? 2 : 1);
  }
  return result + value.slice(copied);
}

/** The name after a dollar sign is as long as possible: `$1x` is the group called `1x`, which is empty. */
function expand(replacement: string, match: Match, names: ReadonlyMap<string, number>): string {
  if (!replacement.includes("$")) return replacement;
  return replacement.replace(/\$(?:\$|(\w+)|\{(\w+)\})/g, (_, bare?: string, braced?: string) => {
    const name = bare ?? braced;
    if (name === undefined) return "$";
    const index = /^\d+$/.test(name) ? Number(name) : names.get(name);
    return index === undefined ? "" : match.groups[index] ?? "";
  });
}
