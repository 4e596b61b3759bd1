/**
 * What a CREATE STREAM or CREATE TABLE statement says, with its WITH options checked and typed.
 *
 * @example
 * ```ts
 * const text = 'CREATE STREAM demo (a BIGINT) WITH (DATASOURCE="t/1", FORMAT="json")';
 * const definition = defineStream(parseStatement(text) as CreateStatement, text);
 * definition.options.datasource; // "t/1"
 * ```
 * @module
 */
import type { MessageSchema } from "../codec/codec.ts";
import { type Diagnostic, diagnostic, type Span, throwIfAny } from "../diagnostics/diagnostic.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import type { ColumnDefinition, ColumnType, CreateStatement, Literal, StreamOption } from "../sql/ast.ts";
import { nameProblem } from "./names.ts";

export const streamFormats = [
  "json",
  "binary",
  "delimited",
  "urlencoded",
  "protobuf",
  "msgpack",
  "cbor",
  "custom",
] as const;

export type StreamFormat = typeof streamFormats[number];

/** The WITH options, typed, with the defaults of the dialect. Text options are undefined when unset or empty. */
export interface StreamOptions {
  /** Topic, path, table …; "" when unset. */
  readonly datasource: string;
  /** The source type; `mqtt` for streams and `file` for tables when unset. */
  readonly type: string;
  readonly format: StreamFormat;
  readonly confKey: string | undefined;
  readonly timestamp: string | undefined;
  readonly timestampFormat: string | undefined;
  readonly shared: boolean;
  readonly strictValidation: boolean;
  /** Separator of the format `delimited`; undefined means a comma. */
  readonly delimiter: string | undefined;
  readonly schemaId: string | undefined;
  readonly key: string | undefined;
  /** Of tables; a stream is always `scan`. */
  readonly kind: "scan" | "lookup";
  /** Newest rows a scan table keeps. */
  readonly retainSize: number;
  /** EXTRA as the object it holds; empty when unset. */
  readonly extra: Readonly<Record<string, unknown>>;
  /** In lower case; "" when unset. */
  readonly version: string;
  /** Kept in memory only, and only for rules with `temp`. */
  readonly temp: boolean;
}

/** A checked definition; frozen. */
export interface StreamDefinition {
  readonly name: string;
  readonly target: "stream" | "table";
  /** Undefined for a schemaless stream. */
  readonly columns: readonly ColumnDefinition[] | undefined;
  /** What its payloads are encoded by, once it is found; see `withSchema`. The columns then are those of the schema. */
  readonly schema?: MessageSchema;
  readonly options: StreamOptions;
  /** The options that were set, by upper-case key, as they were written. */
  readonly written: Readonly<Record<string, string>>;
  /** The CREATE statement. */
  readonly text: string;
}

/** The keys of WITH, in upper case. */
export const streamOptionKeys = [
  "DATASOURCE",
  "KEY",
  "FORMAT",
  "CONF_KEY",
  "TYPE",
  "STRICT_VALIDATION",
  "TIMESTAMP",
  "TIMESTAMP_FORMAT",
  "SHARED",
  "SCHEMAID",
  "VERSION",
  "EXTRA",
  "TEMP",
  "RETAIN_SIZE",
  "KIND",
  "DELIMITER",
] as const;

export type StreamOptionKey = typeof streamOptionKeys[number];

const retainSizeOfFileTables = 9999;
const retainSizeOfTables = 1;
/** Rows of a scan table live in memory, so the number is bounded. */
const retainSizeMax = 1_000_000;

/** The options of one statement by key, with the mistakes found so far. */
class OptionReader {
  readonly #options = new Map<string, StreamOption>();
  readonly mistakes: Diagnostic[] = [];

  constructor(options: readonly StreamOption[]) {
    const known: readonly string[] = streamOptionKeys;
    for (const option of options) {
      if (!known.includes(option.key)) {
        this.refuse(`Unknown stream option "${option.key}"`, option.keySpan, didYouMean(option.key, known));
      } else if (this.#options.has(option.key)) {
        this.refuse(`Stream option ${option.key} is set twice`, option.keySpan);
      } else {
        this.#options.set(option.key, option);
      }
    }
  }

  refuse(message: string, span: Span, hint?: string): void {
    this.mistakes.push(diagnostic("E407", message, hint === undefined ? { span } : { span, hint }));
  }

  option(key: StreamOptionKey): StreamOption | undefined {
    return this.#options.get(key);
  }

  text(key: StreamOptionKey): string | undefined {
    const value = this.#options.get(key)?.value;
    return value === "" ? undefined : value;
  }

  boolean(key: StreamOptionKey): boolean {
    const option = this.#options.get(key);
    if (option === undefined || option.value === "") return false;
    const value = option.value.toLowerCase();
    if (value === "true" || value === "1") return true;
    if (value === "false" || value === "0") return false;
    this.refuse(`${key} must be "true" or "false": found "${option.value}"`, option.valueSpan);
    return false;
  }

  count(key: StreamOptionKey, fallback: number, max: number): number {
    const option = this.#options.get(key);
    if (option === undefined || option.value === "") return fallback;
    const value = /^[0-9]{1,15}$/.test(option.value) ? Number(option.value) : NaN;
    if (value >= 1 && value <= max) return value;
    this.refuse(`${key} must be a whole number from 1 to ${max}: found "${option.value}"`, option.valueSpan);
    return fallback;
  }

  choice<Name extends string>(key: StreamOptionKey, names: readonly Name[], fallback: Name): Name {
    const option = this.#options.get(key);
    if (option === undefined || option.value === "") return fallback;
    const wanted = option.value.toLowerCase();
    const found = names.find((name) => name === wanted);
    if (found !== undefined) return found;
    this.refuse(
      `${key} must be one of ${names.join(", ")}: found "${option.value}"`,
      option.valueSpan,
      didYouMean(option.value, names),
    );
    return fallback;
  }

  object(key: StreamOptionKey): Readonly<Record<string, unknown>> {
    const option = this.#options.get(key);
    if (option === undefined || option.value === "") return {};
    try {
      const value: unknown = JSON.parse(option.value);
      if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
      this.refuse(`${key} must hold a JSON object: found ${option.value.slice(0, 40)}`, option.valueSpan);
    } catch (error) {
      this.refuse(`${key} is not valid JSON: ${(error as Error).message}`, option.valueSpan);
    }
    return {};
  }

  written(): Record<string, string> {
    return Object.fromEntries([...this.#options].map(([key, option]) => [key, option.value]));
  }
}

/** What the options say together that none of them says alone. */
function checkTogether(read: OptionReader, statement: CreateStatement, options: StreamOptions): void {
  const columns = statement.columns;
  if (options.format === "binary") {
    const place = read.option("FORMAT")?.valueSpan ?? statement.span;
    if (statement.target === "table") read.refuse("A table cannot have FORMAT binary", place);
    else if (columns.length > 1 || (columns.length === 1 && columns[0]!.type.kind !== "bytea")) {
      read.refuse("FORMAT binary takes no columns, or a single one of type BYTEA", place);
    }
  }
  const kind = read.option("KIND");
  if (statement.target === "stream" && options.kind === "lookup") {
    read.refuse("KIND lookup is for tables: a stream cannot be looked up", kind!.valueSpan, "use CREATE TABLE");
  }
  if (options.kind === "lookup" && options.type === "memory" && options.key === undefined) {
    read.refuse("A lookup table of TYPE memory needs a KEY", kind!.valueSpan, 'add KEY="column"');
  }
}

function checkColumns(columns: readonly ColumnDefinition[], mistakes: Diagnostic[]): void {
  const seen = new Set<string>();
  for (const { name, type, default: literal } of columns) {
    if (literal === undefined) checkNestedDefaults(type, mistakes);
    else checkDefault(name.name, type, literal.value, literal.span, mistakes);
    if (seen.has(name.name)) {
      mistakes.push(diagnostic("E206", `Column "${name.name}" is declared twice`, { span: name.span }));
    }
    seen.add(name.name);
  }
}

function checkNestedDefaults(type: ColumnType, mistakes: Diagnostic[]): void {
  if (type.kind === "array") checkNestedDefaults(type.element, mistakes);
  if (type.kind !== "struct") return;
  for (const { name, type: inner, default: value, defaultSpan } of type.columns) {
    if (value === undefined) checkNestedDefaults(inner, mistakes);
    else checkDefault(name, inner, value, defaultSpan!, mistakes);
  }
}

function checkDefault(
  name: string,
  { kind }: ColumnType,
  value: Literal["value"],
  span: Span,
  mistakes: Diagnostic[],
): void {
  if (defaultFits(value, kind)) return;
  const found = typeof value === "bigint" ? "an integer" : `a ${typeof value}`;
  mistakes.push(diagnostic("E407", `DEFAULT of column "${name}" must be a ${kind}: found ${found}`, { span }));
}

/** An integer literal is a float too; the grammar allows defaults on four types only. */
function defaultFits(value: Literal["value"], type: ColumnType["kind"]): boolean {
  switch (type) {
    case "bigint":
      return typeof value === "bigint";
    case "float":
      return typeof value === "bigint" || typeof value === "number";
    case "string":
      return typeof value === "string";
    case "boolean":
      return typeof value === "boolean";
    default:
      return false;
  }
}

/**
 * Checks a CREATE statement and types its options.
 *
 * @throws {DiagnosticError} E407 for the options, E206 for columns, E704 for the name, all of them at once.
 */
export function defineStream(statement: CreateStatement, text: string): StreamDefinition {
  const read = new OptionReader(statement.options);
  const isTable = statement.target === "table";
  const type = read.text("TYPE") ?? (isTable ? "file" : "mqtt");
  const options: StreamOptions = Object.freeze({
    datasource: read.text("DATASOURCE") ?? "",
    type,
    format: read.choice("FORMAT", streamFormats, "json"),
    confKey: read.text("CONF_KEY"),
    timestamp: read.text("TIMESTAMP"),
    timestampFormat: read.text("TIMESTAMP_FORMAT"),
    shared: read.boolean("SHARED"),
    strictValidation: read.boolean("STRICT_VALIDATION"),
    delimiter: read.text("DELIMITER"),
    schemaId: read.text("SCHEMAID"),
    key: read.text("KEY"),
    kind: read.choice("KIND", ["scan", "lookup"], "scan"),
    retainSize: read.count("RETAIN_SIZE", type === "file" ? retainSizeOfFileTables : retainSizeOfTables, retainSizeMax),
    extra: Object.freeze(read.object("EXTRA")),
    version: (read.text("VERSION") ?? "").toLowerCase(),
    temp: read.boolean("TEMP"),
  });
  checkTogether(read, statement, options);
  checkColumns(statement.columns, read.mistakes);
  const badName = nameProblem(statement.name.name);
  if (badName !== undefined) read.mistakes.push(diagnostic("E704", badName, { span: statement.name.span }));
  throwIfAny(read.mistakes, text);
  return Object.freeze({
    name: statement.name.name,
    target: statement.target,
    columns: statement.columns.length === 0 ? undefined : statement.columns,
    options,
    written: Object.freeze(read.written()),
    text,
  });
}
