/**
 * Values as JSON text and back.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { JsonWriter } from "../../value/json_text.ts";
import type { Value } from "../../value/value.ts";
import { any, defineFunction, string } from "./declare.ts";

export const toJson = defineFunction({
  name: "to_json",
  category: "json",
  returns: "string",
  nulls: "propagate",
  params: [any("x")],
  doc: "`x` as JSON text, with keys in byte order.",
  examples: [
    { sql: "to_json(x)", rows: [{ x: { b: [1n, 2.5, null], a: "<" } }], gives: '{"a":"\\u003c","b":[1,2.5,null]}' },
    { sql: "to_json('a')", gives: '"a"' },
    { sql: "to_json(x)", gives: null },
    { sql: "to_json(x)", rows: [{ x: NaN }], fails: "E508" },
  ],
  compile: () => {
    const writer = new JsonWriter();
    return (x) => writer.text(x);
  },
});

export const parseJson = defineFunction({
  name: "parse_json",
  category: "json",
  returns: "unknown",
  nulls: "propagate",
  params: [string("text")],
  doc: 'The value that a JSON text stands for; all numbers are floats. The text `"null"` gives null.',
  examples: [
    { sql: "parse_json(text)", rows: [{ text: '{"a":[1,true,null]}' }], gives: { a: [1, true, null] } },
    { sql: "parse_json('null')", gives: null },
    { sql: "parse_json(text)", gives: null },
    { sql: "parse_json('{')", fails: "E506" },
    { sql: "parse_json(text)", rows: [{ text: "[".repeat(300) + "]".repeat(300) }], fails: "E506" },
  ],
  compile: () => (text) => parseJsonText(text, "parse_json"),
});

/** As deep as payloads may be nested. */
const nestingMax = 256;

/** @throws {RowError} E506 naming the function, for text that is no JSON or nested too deeply. */
export function parseJsonText(text: string, functionName: string): Value {
  if (nestingOf(text) > nestingMax) {
    throw new RowError("E506", `${functionName}(): nested over ${nestingMax} levels deep`);
  }
  try {
    return JSON.parse(text) as Value;
  } catch (error) {
    throw new RowError("E506", `${functionName}(): ${(error as Error).message}`, { cause: error });
  }
}

/** How deep brackets are nested outside of strings. */
function nestingOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (char === '"') quoted = !quoted;
    else if (quoted) i += char === "\\" ? 1 : 0;
    else if (char === "[" || char === "{") deepest = Math.max(deepest, ++depth);
    else if (char === "]" || char === "}") depth--;
  }
  return deepest;
}
