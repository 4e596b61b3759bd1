/**
 * STRICT_VALIDATION of a stream, where its definition asks for it.
 * @module
 */
import { createStrictValidator, type StrictValidator } from "../codec/strict.ts";
import { compilePattern, parseDateTime } from "../value/datetime_text.ts";
import type { StreamDefinition } from "./stream_definition.ts";

/**
 * Makes the validators of a stream, each for the columns that somebody needs. Undefined when rows pass unchecked: strict
 * validation applies to declared columns of formats that have columns.
 *
 * @param timezone IANA name, or `Local`.
 * @param now Unix milliseconds; supplies what a time in text leaves out.
 */
export function strictRows(
  { options, columns, schema }: Pick<StreamDefinition, "options" | "columns" | "schema">,
  timezone: string,
  now: () => number,
): ((wanted: ReadonlySet<string> | "all") => StrictValidator) | undefined {
  if (!options.strictValidation || columns === undefined || options.format === "binary") return undefined;
  // What is read by a schema has its types, and leaves out what may be absent.
  if (schema !== undefined) return undefined;
  const builtIn = (text: string) => parseDateTime(text, timezone, now());
  const pattern = options.timestampFormat === undefined ? undefined : compilePattern(options.timestampFormat);
  const parse = pattern === undefined
    ? builtIn
    : (text: string) => pattern.read(text, timezone, now()) ?? builtIn(text);
  return (wanted) => {
    const checked = columns
      .filter(({ name }) => wanted === "all" || wanted.has(name.name))
      .map(({ name, type, default: fallback }) => ({
        name: name.name,
        type,
        ...(fallback === undefined ? {} : { default: fallback.value }),
      }));
    return createStrictValidator(checked, { parseDateTime: parse });
  };
}
