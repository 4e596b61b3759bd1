/**
 * Rows out of lines of CSV: separators, quotes, column names, and the types that the stream declares.
 * @module
 */
import type { DeclaredColumn } from "../../src/connector/declare.ts";
import type { Struct } from "../../src/connector/source.ts";
import { setOwn, type Value } from "../../src/value/value.ts";

export interface CsvOptions {
  readonly delimiter: string;
  /** The first line names the columns. */
  readonly hasHeader: boolean;
  /** The names of the columns when there is no header; without either, those of `declared`, or `cols0`, `cols1` … */
  readonly columns: readonly string[];
  /** The columns of the stream. Undefined: every value is text. */
  readonly declared: readonly DeclaredColumn[] | undefined;
  /** A quote stayed open for too long: these lines were left out. */
  readonly onUnclosed: (lines: number) => void;
}

/** A record with line breaks between quotes may have this many lines; a forgotten quote must not swallow the file. */
export const recordLinesMax = 1000;

interface Field {
  readonly text: string;
  readonly quoted: boolean;
}

const utf8 = new TextDecoder();
const numberText = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** Takes a file line by line. */
export class CsvReader {
  readonly #options: CsvOptions;
  readonly #delimiter: string;
  readonly #kinds: ReadonlyMap<string, DeclaredColumn["kind"]> | undefined;
  #names: readonly string[] | undefined;
  /** The lines of a record with a line break between quotes. */
  #begun: string[] = [];

  constructor(options: CsvOptions) {
    this.#options = options;
    // Shells and YAML leave `\t` as it is written.
    this.#delimiter = options.delimiter.replaceAll("\\t", "\t") || ",";
    this.#kinds = options.declared === undefined ? undefined : new Map(options.declared.map((c) => [c.name, c.kind]));
    if (options.hasHeader) return;
    if (options.columns.length > 0) this.#names = options.columns;
    else if (options.declared !== undefined) this.#names = options.declared.map(({ name }) => name);
    else this.#names = [];
  }

  /** False until the header has been read. */
  get hasNames(): boolean {
    return this.#names !== undefined;
  }

  /** The row that ends with this line, if one does. */
  row(line: Uint8Array): Struct | undefined {
    const text = utf8.decode(line);
    if (this.#begun.length > 0) return this.#goOn(text);
    if (text.trim() === "") return undefined;
    const fields = fieldsOf(text, this.#delimiter);
    if (fields !== undefined) return this.#record(fields);
    this.#begun.push(text);
    return undefined;
  }

  /** Tells of a last record whose quotes never end. */
  end(): void {
    if (this.#begun.length > 0) this.#options.onUnclosed(this.#begun.length);
    this.#begun = [];
  }

  #goOn(text: string): Struct | undefined {
    this.#begun.push(text);
    // Only an odd number of quotes can close one.
    const fields = text.split('"').length % 2 === 0 ? fieldsOf(this.#begun.join("\n"), this.#delimiter) : undefined;
    if (fields === undefined) {
      if (this.#begun.length === recordLinesMax) this.end();
      return undefined;
    }
    this.#begun = [];
    return this.#record(fields);
  }

  #record(fields: readonly Field[]): Struct | undefined {
    if (this.#names !== undefined) return this.#rowOf(fields, this.#names);
    this.#names = fields.map((field) => field.text.trim());
    return undefined;
  }

  #rowOf(fields: readonly Field[], names: readonly string[]): Struct {
    const row: Struct = {};
    for (const [i, field] of fields.entries()) {
      const name = names[i] ?? `cols${i}`;
      const kind = this.#kinds?.get(name);
      // Of a stream with declared columns, others do not exist.
      if (this.#kinds !== undefined && kind === undefined) continue;
      const value = valueOf(field, kind);
      if (value !== undefined) setOwn(row, name, value);
    }
    return row;
  }
}

/**
 * Text becomes what the column is declared as, where it can be read so; the rest stays text, which strict validation
 * refuses. Nothing, without quotes, is no value, except of a string column.
 */
function valueOf({ text, quoted }: Field, kind: DeclaredColumn["kind"] | undefined): Value {
  if (kind === undefined || kind === "string") return text;
  if (text === "" && !quoted) return undefined;
  switch (kind) {
    case "bigint":
      return /^[+-]?\d{1,19}$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text) ? BigInt(text) : text;
    case "float":
      return numberText.test(text) ? Number(text) : text;
    case "boolean":
      return /^true$/i.test(text) ? true : /^false$/i.test(text) ? false : text;
    default:
      return text;
  }
}

/** The fields of one record, or undefined when a quote is still open at its end. */
function fieldsOf(text: string, delimiter: string): Field[] | undefined {
  const fields: Field[] = [];
  let at = 0;
  while (true) {
    if (text[at] === '"') {
      const end = closingQuote(text, at);
      if (end === -1) return undefined;
      const next = text.indexOf(delimiter, end + 1);
      // What stands between the quote and the separator belongs to the field, as everybody reads it.
      const behind = text.slice(end + 1, next === -1 ? text.length : next);
      fields.push({ text: text.slice(at + 1, end).replaceAll('""', '"') + behind, quoted: true });
      if (next === -1) return fields;
      at = next + delimiter.length;
    } else {
      const next = text.indexOf(delimiter, at);
      fields.push({ text: text.slice(at, next === -1 ? text.length : next), quoted: false });
      if (next === -1) return fields;
      at = next + delimiter.length;
    }
  }
}

/** Two quotes are one that does not close. */
function closingQuote(text: string, open: number): number {
  for (let at = text.indexOf('"', open + 1); at !== -1; at = text.indexOf('"', at + 2)) {
    if (text[at + 1] !== '"') return at;
  }
  return -1;
}
