/**
 * The flags of `weir query`, read.
 * @module
 */
import { readFileSync } from "node:fs";
import { didYouMean } from "../diagnostics/suggest.ts";
import { readTestedRule } from "../rule_test/tested_rule.ts";
import type { RuleDefinition } from "../runtime/rule_definition.ts";
import { parseDateTime } from "../value/datetime_text.ts";
import { parseGoDuration } from "../value/go_duration.ts";
import { type Arguments, CliError, UsageError } from "./command.ts";
import type { InputFormat } from "./query_input.ts";
import { type OutputFormat, outputFormats } from "./query_output.ts";

export function readOutput(args: Arguments): OutputFormat {
  const text = args.text("output") ?? "ndjson";
  const format = outputFormats.find((each) => each === text);
  if (format !== undefined) return format;
  throw new UsageError(
    `--output ${JSON.stringify(text)}: expected ${outputFormats.join(", ")}`,
    didYouMean(text, outputFormats),
  );
}

export function readTimezone(args: Arguments): string {
  const zone = args.text("timezone") ?? "Local";
  try {
    if (zone !== "Local") new Intl.DateTimeFormat("en", { timeZone: zone });
  } catch {
    throw new UsageError(`--timezone ${JSON.stringify(zone)}: expected an IANA name such as Europe/Berlin`);
  }
  return zone;
}

export function readFormat(args: Arguments): InputFormat | undefined {
  const text = args.text("format");
  if (text === undefined || text === "ndjson" || text === "csv") return text;
  throw new UsageError(`--format ${JSON.stringify(text)}: expected ndjson or csv`);
}

function readDuration(args: Arguments, name: string): number | undefined {
  const text = args.text(name);
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) : parseGoDuration(text);
  if (ms === undefined || ms < 0) {
    throw new UsageError(`--${name} ${JSON.stringify(text)}: expected a duration such as 2s`);
  }
  return ms;
}

/** A moment in Unix milliseconds. */
export function readMoment(args: Arguments, name: string, timezone: string): number | undefined {
  const text = args.text(name);
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) : parseDateTime(text, timezone, Date.now())?.ms;
  if (ms !== undefined) return ms;
  throw new UsageError(`--${name} ${JSON.stringify(text)}: expected Unix milliseconds or a datetime`);
}

/** `--option NAME=VALUE`: numbers, booleans and JSON objects are such, everything else is text. */
function readOptions(args: Arguments): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const text of args.texts("option")) {
    const at = text.indexOf("=");
    if (at < 1) {
      throw new UsageError(`--option ${JSON.stringify(text)}: expected NAME=VALUE, such as sendNilField=true`);
    }
    options[text.slice(0, at)] = optionValue(text.slice(at + 1));
  }
  const lateTolerance = readDuration(args, "late-tolerance");
  if (lateTolerance !== undefined) options.lateTolerance = lateTolerance;
  if (args.text("event-time") !== undefined) options.isEventTime = true;
  return options;
}

function optionValue(text: string): unknown {
  if (!/^(?:true|false|-?\d+|\{.*\})$/s.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * The rule: the statement of the command line, or the JSON of `--rule`, with the options of the flags.
 *
 * @throws {DiagnosticError} what is wrong with the rule or its options.
 */
export function readQueryRule(args: Arguments): RuleDefinition {
  const [sql, ...extra] = args.positionals;
  const file = args.text("rule");
  const options = readOptions(args);
  if (file === undefined) {
    if (sql === undefined) throw new UsageError("no statement: give the SELECT as one argument, in quotes");
    if (extra.length > 0) throw new UsageError(`unexpected ${JSON.stringify(extra[0])}`, "put the statement in quotes");
    if (sql.trim() === "") throw new UsageError("the statement is empty");
    return readTestedRule(JSON.stringify({ sql, options }));
  }
  if (sql !== undefined) throw new UsageError("give either a statement or --rule");
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new CliError(`cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
  return readTestedRule(withOptions(text, options));
}

/** Flags win over the options of the file. Text that is no rule stays as it is, to be refused as such. */
function withOptions(text: string, options: Readonly<Record<string, unknown>>): string {
  if (Object.keys(options).length === 0) return text;
  let rule: unknown;
  try {
    rule = JSON.parse(text);
  } catch {
    return text;
  }
  if (typeof rule !== "object" || rule === null || Array.isArray(rule)) return text;
  const own = Object.entries(rule).find(([key]) => key.toLowerCase() === "options");
  const [key, value] = own ?? ["options", {}];
  if (typeof value !== "object" || value === null) return text;
  const names = Object.keys(options).map((name) => name.toLowerCase());
  const kept = Object.entries(value).filter(([name]) => !names.includes(name.toLowerCase()));
  return JSON.stringify({ ...rule, [key]: { ...Object.fromEntries(kept), ...options } });
}
