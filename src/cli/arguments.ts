/**
 * Arguments into flags and positionals, with "did you mean" for what nobody knows.
 * @module
 */
import { parseArgs } from "node:util";
import { didYouMean } from "../diagnostics/suggest.ts";
import { type Arguments, type Command, type Flag, UsageError } from "./command.ts";

type Token = { readonly kind: string; readonly name?: string; readonly rawName?: string; readonly value?: unknown };

function check(tokens: readonly Token[], flags: Readonly<Record<string, Flag>>): void {
  for (const { kind, name, rawName, value } of tokens) {
    if (kind !== "option" || name === undefined) continue;
    const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
    if (flag === undefined) {
      const hint = didYouMean(`${rawName}`, Object.keys(flags).map((each) => `--${each}`));
      throw new UsageError(`unknown flag ${rawName}`, hint);
    }
    if (flag.type === "string" && (value === undefined || value === "")) {
      throw new UsageError(`${rawName} needs a value: ${rawName} ${flag.value ?? "VALUE"}`);
    }
    if (flag.type === "boolean" && value !== undefined) throw new UsageError(`${rawName} takes no value`);
  }
}

/** A negative number is a value: no flag begins with a digit. Behind this mark it is not taken for one. */
const numberMark = "\0";
const marked = (text: string) => /^-\.?\d/.test(text) ? numberMark + text : text;
const unmarked = <T>(value: T) => typeof value === "string" ? value.replace(numberMark, "") : value;

/** @throws {UsageError} for unknown flags and missing values. */
export function readArguments(args: readonly string[], command: Pick<Command, "flags">): Arguments {
  const { flags } = command;
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, { type, short, multiple }]) => [
      name,
      { type, ...(short === undefined ? {} : { short }), ...(multiple === undefined ? {} : { multiple }) },
    ]),
  );
  const { values, positionals, tokens } = parseArgs({
    args: args.map(marked),
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  check(tokens as readonly Token[], flags);
  const all = values as Readonly<Record<string, unknown>>;
  return {
    positionals: positionals.map(unmarked),
    text: (name) => unmarked(all[name]) as string | undefined,
    texts: (name) => ((all[name] ?? []) as string[]).map(unmarked),
    flag: (name) => all[name] === true,
  };
}
