/**
 * Settings from environment variables: `WEIR_LISTEN`, `WEIR_DATA_DIR`, and `WEIR__section__key` for the rest.
 *
 * `WEIR__log__level=debug` sets `log.level`. Names match without regard to case.
 * @module
 */
import { namesAt } from "./schema.ts";

/** A setting that does not come from the file. */
export interface Override {
  readonly path: readonly string[];
  readonly value: unknown;
  /** Where it comes from, for messages: `WEIR__log__level`, `--listen`. */
  readonly origin: string;
}

const named: Readonly<Record<string, readonly string[]>> = { WEIR_LISTEN: ["listen"], WEIR_DATA_DIR: ["dataDir"] };

/** The text as a number, boolean, list or object where it looks like one. */
export function environmentValue(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  if (/^-?[0-9]+(\.[0-9]+)?$/.test(text)) return Number(text);
  if (/^[[{]/.test(text)) {
    try {
      return JSON.parse(text);
    } catch {
      const inner = /^\[(.*)\]$/.exec(text)?.[1];
      if (inner !== undefined) return inner.split(",").map((item) => environmentValue(item.trim()));
    }
  }
  return text;
}

/** Gives the steps of a path the spelling of the schema; unknown ones stay, so that they are reported. */
function spell(steps: readonly string[]): string[] {
  const path: string[] = [];
  for (const step of steps) {
    const names = namesAt(path);
    path.push(names?.find((name) => name.toLowerCase() === step.toLowerCase()) ?? step);
  }
  return path;
}

export function environmentOverrides(environment: Readonly<Record<string, string | undefined>>): Override[] {
  const overrides: Override[] = [];
  for (const [name, text] of Object.entries(environment)) {
    if (text === undefined || text === "") continue;
    if (Object.hasOwn(named, name)) overrides.push({ path: named[name]!, value: text, origin: name });
    else if (/^WEIR__./i.test(name)) {
      overrides.push({ path: spell(name.slice(6).split("__")), value: environmentValue(text), origin: name });
    }
  }
  return overrides.sort((a, b) => a.origin < b.origin ? -1 : 1);
}
