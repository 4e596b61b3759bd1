/**
 * Templates in requests over what the connector itself knows: tokens, states, the time of the request.
 * @module
 */
import { compileTemplate, isTemplate } from "../../src/template/template.ts";
import { setOwn, type Struct, type Value } from "../../src/value/value.ts";

/** What a template prints for a field that is not there. */
const noValue = "<no value>";

/** A text over data, or undefined when the data lacks a field of it. */
export type Filler = (data: Struct) => string | undefined;

/**
 * @param path where the text stands in the settings
 * @throws {DiagnosticError} E409 for a template with mistakes
 */
export function filler(text: string, path: string): Filler {
  if (!isTemplate(text)) return () => text;
  const template = compileTemplate(text, { path });
  return (data) => {
    const filled = template(data);
    return filled.includes(noValue) ? undefined : filled;
  };
}

/**
 * Parsed JSON as data of templates. Whole numbers are ints, since floats print as Go does it: a cursor of 1700000000 must
 * not become 1.7e+09 in a URL.
 */
export function templateData(json: unknown): Value {
  if (typeof json === "number") return Number.isSafeInteger(json) ? BigInt(json) : json;
  if (Array.isArray(json)) return json.map(templateData);
  if (typeof json !== "object" || json === null) return json as Value;
  const struct: Struct = {};
  for (const [key, value] of Object.entries(json)) setOwn(struct, key, templateData(value));
  return struct;
}
