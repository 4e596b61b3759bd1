/**
 * Tables of settings for the reference pages, from the schemas that check them.
 * @module
 */
import * as v from "valibot";
import { type Block, describe, unwrap } from "../src/connector/lenient_value.ts";
import { factsOf } from "../src/connector/settings.ts";
import type { SettingsSchema } from "../src/connector/declare.ts";

interface Entry {
  readonly name: string;
  readonly block: Block;
}

/**
 * A table of the settings that have an effect, then lists of those that are accepted without one, and of those that are
 * refused with E408.
 */
export function settingsTables(schema: SettingsSchema, prefix = ""): string {
  const all = entriesOf(schema, prefix);
  const plain = all.filter(({ block }) => factsOf(block).ignored !== true && factsOf(block).unsupported !== true);
  const ignored = all.filter(({ block }) => factsOf(block).ignored === true);
  const unsupported = all.filter(({ block }) => factsOf(block).unsupported === true);
  const parts: string[] = [];
  parts.push(
    plain.length === 0 ? "There are no settings.\n" : [
      "| Setting | Value | Default | Meaning |",
      "| --- | --- | --- | --- |",
      ...plain.map(settingLine),
      "",
    ].join("\n"),
  );
  if (ignored.length > 0) parts.push(`Accepted without effect:\n\n${ignored.map(remark).join("\n")}\n`);
  if (unsupported.length > 0) {
    parts.push(`Refused with E408 unless switched off:\n\n${unsupported.map(remark).join("\n")}\n`);
  }
  return parts.join("\n");
}

/** The settings by name; a group of settings stands as its members: `restartStrategy.attempts`. */
function entriesOf(schema: SettingsSchema, prefix: string): Entry[] {
  return Object.entries(schema.entries as Record<string, Block>).flatMap(([name, block]) => {
    const inner = unwrap(block);
    return inner.type === "strict_object"
      ? entriesOf(inner as unknown as SettingsSchema, `${prefix}${name}.`)
      : [{ name: `${prefix}${name}`, block }];
  });
}

function settingLine({ name, block }: Entry): string {
  const { aliases = [], unsupportedChoices = [], secret, dynamic } = factsOf(block);
  const names = [name, ...aliases].map((each) => `\`${each}\``).join(", also ");
  const refused = unsupportedChoices.map((each) => `\`${each}\``).join(", ");
  const meaning = [
    descriptionOf(block),
    refused === "" ? "" : `Not supported yet: ${refused}.`,
    secret === true ? "Never shown." : "",
    dynamic === true ? "May be a [template](../templates.md) over the data." : "",
  ];
  return `| ${names} | ${cell(describe(block))} | ${defaultText(block)} | ${cell(meaning.filter(Boolean).join(" "))} |`;
}

function remark({ name, block }: Entry): string {
  return `- \`${name}\`: ${descriptionOf(block)}`;
}

function descriptionOf(block: Block): string {
  const description = v.getDescription(unwrap(block) as v.GenericSchema);
  if (description === undefined) throw new TypeError("Cannot print a setting: it has no description");
  return description;
}

function defaultText(block: Block): string {
  if (block.type !== "optional") return "required";
  const value: unknown = v.getDefault(block as Parameters<typeof v.getDefault>[0]);
  if (value === undefined) return "none";
  if (typeof value === "number" && factsOf(block).duration === true) return `\`${durationText(value)}\``;
  if (value === "") return "empty";
  return `\`${cell(typeof value === "string" ? value : JSON.stringify(value))}\``;
}

/** As in a Go duration: `30s`, `500ms`; the number 0 says as much as `0s`. */
function durationText(ms: number): string {
  if (ms === 0) return "0";
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

/** Text inside a table; a bar would end the cell. */
export function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}
