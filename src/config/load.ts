/**
 * Reads the agent's configuration: the file, over it the environment, over it the flags.
 *
 * @example
 * ```ts
 * const { config } = await loadConfig({ environment: { WEIR__log__level: "debug" } });
 * config.log.level; // "debug"
 * ```
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import * as v from "valibot";
import { type Environment, resolveSecret } from "../connector/secret_reference.ts";
import { type Diagnostic, diagnostic, DiagnosticError, fail } from "../diagnostics/diagnostic.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import { environmentOverrides, type Override } from "./environment.ts";
import { type AgentConfig, configSchema, namesAt, secretSettings } from "./schema.ts";
import type { YamlDocument } from "./yaml_document.ts";

export const defaultConfigFile = "/etc/weir/weir.yaml";

export interface ConfigSources {
  /** From `--config`; it must exist. Otherwise `WEIR_CONFIG`, then {@linkcode defaultConfigFile} when it exists. */
  readonly file?: string | undefined;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** From the other flags, `origin` being the flag. */
  readonly flags?: readonly Override[];
}

export interface LoadedConfig {
  readonly config: AgentConfig;
  /** The file that was read. */
  readonly file: string | undefined;
  /** What it says and where, for mistakes that only the connectors can find. */
  readonly document: YamlDocument | undefined;
}

type Section = Record<string, unknown>;

function isSection(value: unknown): value is Section {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

async function readFile(file: string): Promise<YamlDocument> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    fail("E401", `Cannot read the configuration file "${file}": ${(error as Error).message}`);
  }
  // The YAML parser is loaded only for agents that have a file.
  const { readYaml } = await import("./yaml_document.ts");
  return readYaml(text);
}

/** Sets a value deep inside; sections on the way that are none are replaced, which the schema then sees. */
function set(section: Section, path: readonly string[], value: unknown): void {
  const [first, ...rest] = path;
  if (rest.length === 0) section[first!] = value;
  else {
    const below = section[first!];
    const next = isSection(below) ? below : {};
    section[first!] = next;
    set(next, rest, value);
  }
}

/** Null sections (`log:` with nothing behind it) mean nothing was set. */
function withoutNulls(value: unknown): unknown {
  if (!isSection(value)) return value;
  return Object.fromEntries(
    Object.entries(value).filter(([, each]) => each !== null).map(([key, each]) => [key, withoutNulls(each)]),
  );
}

/** A mistake with its place: in the file, or the variable or flag that brought it. */
function mistake(
  issue: v.BaseIssue<unknown>,
  document: YamlDocument | undefined,
  overrides: readonly Override[],
): Diagnostic {
  const path = (issue.path ?? []).map(({ key }) => String(key));
  const shown = path.join(".");
  const parent = path.slice(0, -1);
  const isUnknown = issue.expected === "never";
  const override = overrides.findLast((each) => each.path.every((step, i) => i >= path.length || step === path[i]));
  const isSecret = secretSettings.has(shown);
  // A span would show its line.
  const span = override === undefined && !isSecret ? document?.place(path, isUnknown ? "key" : "value") : undefined;
  const origin = override === undefined ? {} : { path: `${override.origin} (${shown})` };
  const place = { path: shown, ...origin, ...(span === undefined ? {} : { span }) };
  if (isUnknown) {
    const hint = didYouMean(path.at(-1)!, namesAt(parent) ?? []);
    return diagnostic("E402", `Unknown setting "${shown}"`, hint === undefined ? place : { ...place, hint });
  }
  if (issue.received === "undefined") return diagnostic("E404", `Missing setting "${shown}"`, place);
  const expected = issue.message.startsWith("expected")
    ? issue.message
    : `expected ${issue.expected ?? "another value"}`;
  const found = isSecret ? "another value" : issue.received;
  return diagnostic("E403", `Bad value of "${shown}": ${expected}, found ${found}`, place);
}

/** Secrets of the agent itself, as `secretSettings` says: what a reference stands for takes its place. */
function resolveSecrets(config: Section, environment: Environment): Diagnostic[] {
  const problems: Diagnostic[] = [];
  const resolve = (section: Section, path: readonly string[], place: string) => {
    const [first, ...rest] = path;
    const below = first === undefined ? undefined : section[first];
    if (rest.length > 0) {
      if (isSection(below)) resolve(below, rest, place);
    } else if (isSection(below)) { for (const key of Object.keys(below)) resolve(below, [key], `${place}.${key}`); }
    else if (typeof below === "string") {
      try {
        section[first!] = resolveSecret(below, environment);
      } catch (error) {
        problems.push(diagnostic("E711", `"${place}" cannot be read: ${(error as Error).message}`, { path: place }));
      }
    }
  };
  for (const place of secretSettings) resolve(config, place.split("."), place);
  return problems;
}

function inFileOrder(a: Diagnostic, b: Diagnostic): number {
  const end = Number.MAX_SAFE_INTEGER;
  return (a.span?.start ?? end) - (b.span?.start ?? end);
}

/**
 * @throws {DiagnosticError} E401 for the file itself, E402 to E404 for settings; all settings that are wrong at once.
 */
export async function loadConfig(sources: ConfigSources = {}): Promise<LoadedConfig> {
  const environment = sources.environment ?? {};
  const asked = sources.file ?? (environment.WEIR_CONFIG || undefined);
  const file = asked ?? (existsSync(defaultConfigFile) ? defaultConfigFile : undefined);
  const document = file === undefined ? undefined : await readFile(file);
  const value = withoutNulls(document?.value ?? {});
  if (!isSection(value)) {
    throw new DiagnosticError(
      [diagnostic("E401", "A configuration file holds sections with settings")],
      document?.text,
    );
  }
  const overrides = [...environmentOverrides(environment), ...(sources.flags ?? [])];
  for (const { path, value: setting } of overrides) set(value, path, setting);

  const unread = resolveSecrets(value, environment);
  const result = v.safeParse(configSchema, value);
  const mistakes = [...unread, ...(result.issues ?? []).map((issue) => mistake(issue, document, overrides))];
  if (!result.success || mistakes.length > 0) throw new DiagnosticError(mistakes.sort(inFileOrder), document?.text);
  return { config: result.output, file, document };
}
