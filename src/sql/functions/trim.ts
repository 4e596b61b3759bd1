/**
 * Trimming white space of any Unicode kind, as Go sees it: unlike JavaScript it counts U+0085, and not U+FEFF.
 * @module
 */
import { defineFunction, type Example, type SqlFunction, text } from "./declare.ts";

const whiteSpace = /\p{White_Space}/u;

/** All white space is in the basic plane, so that UTF-16 units can be looked at one by one. */
function trimText(value: string, atStart: boolean, atEnd: boolean): string {
  let start = 0;
  let end = value.length;
  while (atStart && start < end && whiteSpace.test(value[start]!)) start++;
  while (atEnd && end > start && whiteSpace.test(value[end - 1]!)) end--;
  return value.slice(start, end);
}

function trimming(name: string, doc: string, example: Example, atStart: boolean, atEnd: boolean): SqlFunction {
  return defineFunction({
    name,
    category: "text",
    returns: "string",
    nulls: "propagate",
    params: [text("value")],
    doc,
    examples: [example, { sql: `${name}(value)`, gives: null }, { sql: `${name}()`, fails: "E203" }],
    compile: () => (value) => trimText(value, atStart, atEnd),
  });
}

export const trim = trimming(
  "trim",
  "`value` without white space at both ends.",
  { sql: "trim('  a b ')", gives: "a b" },
  true,
  true,
);

export const ltrim = trimming(
  "ltrim",
  "`value` without white space at its start.",
  { sql: "ltrim('  a b ')", gives: "a b " },
  true,
  false,
);

export const rtrim = trimming(
  "rtrim",
  "`value` without white space at its end.",
  { sql: "rtrim('  a b ')", gives: "  a b" },
  false,
  true,
);
