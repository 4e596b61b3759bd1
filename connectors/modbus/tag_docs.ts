/**
 * The settings of a tag for the reference page, which shows a list of objects as one setting.
 * @module
 */
import * as v from "valibot";
import { type Block, describe, unwrap } from "../../src/connector/lenient_value.ts";
import { tagSettings } from "./tag.ts";

/** A Markdown table with a row for each setting of a tag. */
export function tagTable(): string {
  const lines = Object.entries(tagSettings.entries as Record<string, Block>).map(([name, block]) => {
    const meaning = v.getDescription(unwrap(block) as v.GenericSchema);
    return `| \`${name}\` | ${describe(block)} | ${meaning} |`;
  });
  return ["| Setting of a tag | Value | Meaning |", "| --- | --- | --- |", ...lines].join("\n");
}
