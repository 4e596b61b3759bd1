/**
 * Building blocks of settings, and how they are read: leniently about spelling, strictly about meaning.
 *
 * A block is a plain valibot schema of the value a connector gets, so that its constraints, its description and its
 * default reach the reference pages, and would reach a JSON schema. The leniency of eKuiper's files (`"1"` for 1,
 * `"true"` for true, `a,b` for a list, `10s` for 10000) is applied by {@linkcode readSettings} before the schema sees a
 * value.
 *
 * @example
 * ```ts
 * const schema = v.strictObject({
 *   topic: text({ description: "Topic to publish on." }),
 *   qos: choice([0, 1, 2], { description: "MQTT quality of service.", default: 0 }),
 * });
 * readSettings(schema, { Topic: "a", qos: "1" }, { path: "actions.0.mqtt", where: "mqtt action" });
 * // { topic: "a", qos: 1 }
 * ```
 * @module
 */
import * as v from "valibot";
import { type Diagnostic, diagnostic, fail, throwIfAny } from "../diagnostics/diagnostic.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import type { SettingsSchema } from "./declare.ts";
import { type Block, coerce, describe, isPlainObject, schemaAt, show, unwrap } from "./lenient_value.ts";

/** What every block takes: prose, and what happens when the setting is absent. */
export interface SettingOptions<T> {
  /** One or two sentences for the reference page. */
  readonly description: string;
  /** The value of an absent setting. With neither this nor `optional` the setting is required. */
  readonly default?: T;
  /** True: an absent setting is undefined. */
  readonly optional?: true;
  /** Other names that are accepted, such as those of older versions. */
  readonly aliases?: readonly string[];
  /** True: the value is never shown. Names such as `password` are recognised without it. */
  readonly secret?: boolean;
  /**
   * Of a sink: a text with `{{…}}`, here or inside, is a template over the data. The engine fills it in for each message
   * and hands the result to `write`.
   */
  readonly dynamic?: true;
  /** Of a sink: texts with `{{…}}` inside are for the connector itself, such as one that knows a token. */
  readonly ownTemplates?: true;
}

/** A block whose value is a `T`. */
export type Setting<T> = v.GenericSchema<T, T>;

/** The block of an option object: with a default, optional, or required. */
export type SettingOf<T, Options> = Options extends { readonly default: T } ? v.OptionalSchema<Setting<T>, T>
  : Options extends { readonly optional: true } ? v.OptionalSchema<Setting<T>, undefined>
  : Setting<T>;

/** Facts about a block that valibot has no word for. */
export interface SettingFacts {
  readonly aliases?: readonly string[];
  readonly secret?: boolean;
  /** Texts with `{{…}}` in it are templates over the data. */
  readonly dynamic?: boolean;
  /** Texts with `{{…}}` in it are for the connector. */
  readonly ownTemplates?: boolean;
  /** Numbers in milliseconds that may be written as a Go duration. */
  readonly duration?: boolean;
  /** Of a duration: what a number without a unit counts; milliseconds when absent. */
  readonly bare?: "seconds";
  /** Accepted so that existing files keep working, and without effect. */
  readonly ignored?: boolean;
  /** Known to the dialect, but not honoured by this version. */
  readonly unsupported?: boolean;
  /** Choices of the dialect that this version does not have. */
  readonly unsupportedChoices?: readonly string[];
}

function finish<T, Options extends SettingOptions<T>>(
  schema: v.GenericSchema<unknown, T>,
  options: Options,
  facts: SettingFacts = {},
): SettingOf<T, Options> {
  // Only facts that say something: the generator of JSON schemas copies them.
  const { aliases = [], secret = false, dynamic = false, ownTemplates = false } = options;
  const all = {
    ...facts,
    ...(aliases.length > 0 ? { aliases } : {}),
    ...(secret ? { secret } : {}),
    ...(dynamic ? { dynamic } : {}),
    ...(ownTemplates ? { ownTemplates } : {}),
  };
  const block = v.pipe(schema, v.description(options.description), v.metadata({ ...all }));
  const optional = options.default !== undefined || options.optional === true;
  return (optional ? v.optional(block, options.default) : block) as unknown as SettingOf<T, Options>;
}

/** A whole number; digits in a string are accepted. */
export function integer<
  const Options extends SettingOptions<number> & { readonly min?: number; readonly max?: number },
>(
  options: Options,
): SettingOf<number, Options> {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = options;
  return finish(v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max)), options);
}

/** True or false; the strings `true` and `false` are accepted. */
export function flag<const Options extends SettingOptions<boolean>>(options: Options): SettingOf<boolean, Options> {
  return finish(v.boolean(), options);
}

/** Text; a number or boolean is accepted and becomes its text. Required text must not be empty. */
export function text<const Options extends SettingOptions<string>>(options: Options): SettingOf<string, Options> {
  const required = options.default === undefined && options.optional === undefined;
  return finish(required ? v.pipe(v.string(), v.nonEmpty()) : v.string(), options);
}

/** What {@linkcode choice} takes besides: choices of the dialect that this version refuses with E408. */
export interface ChoiceOptions<T> extends SettingOptions<T> {
  readonly unsupported?: readonly string[];
}

/** One of some literals. Strings match in any letter case, numbers also as digits in a string. */
export function choice<
  const Choices extends readonly (string | number)[],
  const Options extends ChoiceOptions<Choices[number]>,
>(choices: Choices, options: Options): SettingOf<Choices[number], Options> {
  const facts = options.unsupported === undefined ? {} : { unsupportedChoices: options.unsupported };
  return finish<Choices[number], Options>(v.picklist(choices), options, facts);
}

/**
 * Milliseconds; written as a Go duration (`1h30m`, `500ms`), or as a number of milliseconds, of seconds where the dialect
 * has it so.
 */
export function duration<
  const Options extends SettingOptions<number> & {
    readonly min?: number;
    readonly max?: number;
    readonly bare?: "seconds";
  },
>(
  options: Options,
): SettingOf<number, Options> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER, bare } = options;
  const facts = { duration: true, ...(bare === undefined ? {} : { bare }) };
  return finish(v.pipe(v.number(), v.minValue(min), v.maxValue(max)), options, facts);
}

/** A list; one text is split at commas, any other single value is a list of one. */
export function list<T, const Options extends SettingOptions<T[]>>(
  item: v.GenericSchema<unknown, T>,
  options: Options,
): SettingOf<T[], Options> {
  return finish(v.array(item), options);
}

/** An object whose values are texts; numbers and booleans are accepted as values. */
export function stringMap<const Options extends SettingOptions<Record<string, string>>>(
  options: Options,
): SettingOf<Record<string, string>, Options> {
  return finish(v.record(v.string(), v.string()), options);
}

/**
 * A setting of the dialect that is accepted and has no effect here; `description` says why. With `form`, values that the
 * dialect refuses are refused here too; without it any value is taken.
 */
export function ignored(
  description: string,
  form: v.GenericSchema<unknown> = v.unknown(),
): v.OptionalSchema<v.GenericSchema<unknown>, undefined> {
  return v.optional(v.pipe(form, v.description(description), v.metadata({ ignored: true })), undefined);
}

/**
 * A setting of the dialect that this version cannot honour: refused (E408), unless it is switched off (absent, null,
 * empty, false or 0).
 */
export function unsupported(description: string): v.OptionalSchema<v.UnknownSchema, undefined> {
  return v.optional(v.pipe(v.unknown(), v.description(description), v.metadata({ unsupported: true })), undefined);
}

/** Where settings come from, for messages. */
export interface SettingsPlace {
  /** The path of the object in its document: `actions.0.mqtt`; empty for the top. */
  readonly path: string;
  /** Whose settings they are: `mqtt action`. */
  readonly where: string;
}

const secretName = /pass(word|wd|phrase)|token|secret|authorization|credential|api-?_?key|private-?_?key|^pwd$/i;

/** True for names whose values must never reach a log, a message or an answer of the admin interface. */
export function isSecretName(name: string): boolean {
  return secretName.test(name);
}

/**
 * Checks `raw` against `schema` and returns what a connector gets: canonical names, converted values, defaults filled
 * in. Names match in any letter case; null counts as absent; of the same setting given twice, neither is taken.
 *
 * @throws {DiagnosticError} with every mistake: E402 unknown setting, E403 bad value, E404 missing, E408 not supported.
 */
export function readSettings<const Schema extends SettingsSchema>(
  schema: Schema,
  raw: Readonly<Record<string, unknown>>,
  place: SettingsPlace,
): v.InferOutput<Schema> {
  const problems: Diagnostic[] = [];
  const output = readObject(schema, raw, place, problems);
  throwIfAny(problems);
  // Checks that look at several settings together stand in the pipe of the whole object.
  if ("pipe" in schema) {
    const result = v.safeParse(schema, output);
    for (const issue of result.issues ?? []) {
      // A template in place of a choice.
      if (dynamicNames(schema).includes(String(issue.path?.[0]?.key))) continue;
      problems.push(diagnostic("E403", `Bad settings of the ${place.where}: ${issue.message}`, { path: place.path }));
    }
    throwIfAny(problems);
  }
  return output as v.InferOutput<Schema>;
}

/**
 * One object out of several layers, the later ones winning, whatever letter case and alias each layer uses. The result
 * is raw: {@linkcode readSettings} reads it. Unknown names stay as written, so that they are still reported.
 */
export function mergeSettings(
  schema: SettingsSchema,
  ...layers: readonly (Readonly<Record<string, unknown>> | undefined)[]
): Record<string, unknown> {
  const { names } = tableOf(schema);
  const merged = new Map<string, unknown>();
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer ?? {})) merged.set(names.get(key.toLowerCase()) ?? key, value);
  }
  return Object.fromEntries(merged);
}

/**
 * For what a connector itself finds wrong with one of its settings: settings that do not go together, a folder where a
 * file should be. E404 says that the setting is missing, E408 that this version cannot honour it.
 *
 * @throws {DiagnosticError} always.
 */
export function refuseSetting(name: string, message: string, code: "E403" | "E404" | "E408" = "E403"): never {
  fail(code, message, { path: name });
}

/** What is known of a setting without a value of it. */
interface TableEntry {
  readonly name: string;
  readonly block: Block;
  readonly facts: SettingFacts;
  /** Makes what an absent one is; undefined where the block has to be asked. */
  readonly absent: (() => unknown) | undefined;
}

interface SettingsTable {
  /** Every accepted name in lower case, with the declared name it stands for. */
  readonly names: ReadonlyMap<string, string>;
  readonly accepted: ReadonlySet<string>;
  readonly entries: readonly TableEntry[];
}

/** Schemas never change, and an agent with ten thousand rules reads each of them as often while it starts. */
const tables = new WeakMap<SettingsSchema, SettingsTable>();

function tableOf(schema: SettingsSchema): SettingsTable {
  let table = tables.get(schema);
  if (table === undefined) tables.set(schema, table = newTable(schema));
  return table;
}

function newTable(schema: SettingsSchema): SettingsTable {
  const entries = Object.entries(schema.entries as Record<string, Block>).map(([name, block]): TableEntry => {
    const absent = v.safeParse(block, undefined);
    return { name, block, facts: factsOf(block), absent: absent.success ? makerOf(absent.output) : undefined };
  });
  const names = new Map<string, string>();
  for (const { name, facts } of entries) {
    for (const alias of facts.aliases ?? []) names.set(alias.toLowerCase(), name);
  }
  for (const { name } of entries) names.set(name.toLowerCase(), name);
  return { names, accepted: new Set(names.keys()), entries };
}

/** Makes a value again and again, as objects must not be shared by all who get them; undefined for one of many parts. */
function makerOf(value: unknown): (() => unknown) | undefined {
  if (typeof value !== "object" || value === null) return () => value;
  if (Array.isArray(value)) return value.length === 0 ? () => [] : undefined;
  return isPlainObject(value) && Object.values(value).every((part) => typeof part !== "object")
    ? () => ({ ...value })
    : undefined;
}

/** Every name and alias of a schema, in lower case. */
export function acceptedNames(schema: SettingsSchema): ReadonlySet<string> {
  return tableOf(schema).accepted;
}

/** The settings that may hold templates over the data. */
export function dynamicNames(schema: SettingsSchema): string[] {
  return tableOf(schema).entries.filter(({ facts }) => facts.dynamic === true).map(({ name }) => name);
}

/** Every name and alias, in lower case, of the settings that may hold templates of any kind. */
export function templatedNames(schema: SettingsSchema): ReadonlySet<string> {
  const { names, entries } = tableOf(schema);
  const may = new Set(
    entries.filter(({ facts }) => facts.dynamic === true || facts.ownTemplates === true).map(({ name }) => name),
  );
  return new Set([...names].filter(([, name]) => may.has(name)).map(([accepted]) => accepted));
}

/** The facts of a setting's block, also behind `optional`. */
export function factsOf(block: v.GenericSchema): SettingFacts {
  return v.getMetadata(unwrap(block as Block) as v.GenericSchema) as SettingFacts;
}

function readObject(
  schema: SettingsSchema,
  raw: Readonly<Record<string, unknown>>,
  place: SettingsPlace,
  problems: Diagnostic[],
): Record<string, unknown> {
  const { names, entries } = tableOf(schema);
  const given = new Map<string, { key: string; value: unknown }>();
  for (const [key, value] of Object.entries(raw)) {
    const path = join(place.path, key);
    const name = names.get(key.toLowerCase());
    const other = name === undefined ? undefined : given.get(name);
    if (name === undefined) {
      const known = entries.filter(({ facts }) => facts.ignored !== true).map(({ name }) => name);
      const hint = didYouMean(key, known);
      problems.push(diagnostic("E402", `Unknown setting "${key}" of the ${place.where}`, { path, hint }));
    } else if (other !== undefined) {
      const message = `Setting "${name}" of the ${place.where} is given twice: as "${other.key}" and as "${key}"`;
      problems.push(diagnostic("E403", message, { path }));
    } else if (value !== undefined && value !== null) {
      given.set(name, { key, value });
    }
  }
  const output: Record<string, unknown> = {};
  for (const entry of entries) {
    const value = readEntry(entry, given.get(entry.name), place, problems);
    if (value !== undefined && entry.facts.ignored !== true) output[entry.name] = value;
  }
  return output;
}

function readEntry(
  { name, block: entry, facts, absent: makeAbsent }: TableEntry,
  given: { readonly key: string; readonly value: unknown } | undefined,
  place: SettingsPlace,
  problems: Diagnostic[],
): unknown {
  if (given === undefined) {
    if (makeAbsent !== undefined) return makeAbsent();
    const absent = v.safeParse(entry, undefined);
    if (absent.success) return absent.output;
    const path = join(place.path, name);
    problems.push(diagnostic("E404", `The ${place.where} needs the setting "${name}": ${describe(entry)}`, { path }));
    return undefined;
  }
  const path = join(place.path, given.key);
  if (facts.unsupported === true) {
    if (isOn(given.value)) {
      const message = `Setting "${name}" of the ${place.where} is not supported by this version of weir`;
      problems.push(diagnostic("E408", message, { path }));
    }
    return undefined;
  }
  if (facts.unsupportedChoices?.some((choice) => choice === String(given.value).toLowerCase()) === true) {
    const message = `The value ${show(given.value)} of setting "${name}" of the ${place.where} is not supported by ` +
      `this version of weir: wanted ${describe(entry)}`;
    problems.push(diagnostic("E408", message, { path }));
    return undefined;
  }
  // What it becomes is for the sink to check, message by message.
  if (facts.dynamic === true && typeof given.value === "string" && given.value.includes("{{")) return given.value;
  const inner = unwrap(entry);
  if (inner.type === "strict_object" && isPlainObject(given.value)) {
    const where = `"${name}" of the ${place.where}`;
    return readObject(inner as unknown as SettingsSchema, given.value, { path, where }, problems);
  }
  const result = v.safeParse(entry, coerce(entry, given.value));
  if (result.success) return result.output;
  for (const issue of result.issues) problems.push(badValue(name, entry, issue, path, place.where));
  return undefined;
}

function badValue(name: string, entry: Block, issue: v.BaseIssue<unknown>, path: string, where: string): Diagnostic {
  const steps = (issue.path ?? []).map((step) => String(step.key));
  const secret = factsOf(entry).secret === true || [name, ...steps].some(isSecretName);
  const wanted = issue.message.startsWith("Invalid ") ? describe(schemaAt(entry, steps)) : issue.message;
  const found = secret ? "a hidden value" : show(issue.input);
  const setting = [name, ...steps].join(".");
  const message = `Bad value for setting "${setting}" of the ${where}: found ${found}, wanted ${wanted}`;
  return diagnostic("E403", message, { path: [path, ...steps].join(".") });
}

/** False, "", 0, [] and {} mean that a setting is switched off. */
function isOn(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return value !== "" && value !== 0 && value !== false && value !== "0" && value !== "false";
}

function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}
