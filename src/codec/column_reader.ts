/**
 * What a declared column accepts from JSON, or from a format that also has bytes and datetimes, before any strict
 * validation.
 * @module
 */
import { RowError } from "../diagnostics/row_error.ts";
import { DateTime } from "../value/datetime.ts";
import { plainFloat } from "../value/plain_text.ts";
import { intMax, intMin, isStruct, setOwn, type Struct, type Value } from "../value/value.ts";
import type { Column, ColumnType } from "./codec.ts";

/** Thrown when a whole number lost digits in `JSON.parse`; the decoder parses the text again, precisely. */
export class DigitsLost extends Error {}

/** Texts a boolean column accepts. */
const booleanTexts: ReadonlyMap<string, boolean> = new Map([
  ...["1", "t", "T", "true", "TRUE", "True"].map((text) => [text, true] as const),
  ...["0", "f", "F", "false", "FALSE", "False"].map((text) => [text, false] as const),
]);

const base64Pattern = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const utf8 = new TextEncoder();

/** The bytes of a text in a bytea column: base64 when it is base64, else the text's own UTF-8 bytes. */
export function bytesOfText(text: string): Uint8Array {
  return base64Pattern.test(text) ? Uint8Array.fromBase64(text) : utf8.encode(text);
}

/** Reads one declared column from what a parser gave. */
export class ColumnReader {
  readonly name: string;
  readonly #type: ColumnType;
  /** True for a name such as `constructor`, which every object inherits. */
  readonly #inherited: boolean;
  readonly #element: ColumnReader | undefined;
  readonly #columns: readonly ColumnReader[];

  constructor({ name, type }: Column) {
    this.name = name;
    this.#type = type;
    this.#inherited = name in {};
    this.#element = type.kind === "array" ? new ColumnReader({ name, type: type.element }) : undefined;
    this.#columns = type.kind === "struct" ? type.columns.map((column) => new ColumnReader(column)) : [];
  }

  /** The raw value of the column; undefined when the row has none. */
  rawOf(row: Struct): Value {
    return this.#inherited && !Object.hasOwn(row, this.name) ? undefined : row[this.name];
  }

  /** Copies the column from `row` to `output`, converted. Throws as {@linkcode ColumnReader.convert}. */
  copy(row: Struct, output: Struct): void {
    const raw = this.rawOf(row);
    if (raw === undefined) return;
    if (this.#inherited) setOwn(output, this.name, this.convert(raw));
    else output[this.name] = this.convert(raw);
  }

  /**
   * @throws {RowError} E501 when the column does not accept `raw`.
   * @throws {DigitsLost} when `raw` is a float that stands for a whole number beyond 2^53.
   */
  convert(raw: Value): Value {
    if (raw === null) return null;
    switch (this.#type.kind) {
      case "bigint":
        return this.#int(raw);
      case "float":
        if (typeof raw === "number") return raw;
        return typeof raw === "bigint" ? Number(raw) : this.#refuse(raw);
      case "string":
        if (typeof raw === "string") return raw;
        return typeof raw === "number" || typeof raw === "bigint" ? plainFloat(Number(raw)) : this.#refuse(raw);
      case "boolean":
        return this.#boolean(raw);
      case "datetime":
        if (typeof raw === "number" || typeof raw === "string" || raw instanceof DateTime) return raw;
        return typeof raw === "bigint" ? Number(raw) : this.#refuse(raw);
      case "bytea":
        if (raw instanceof Uint8Array) return raw;
        return typeof raw === "string" ? bytesOfText(raw) : this.#refuse(raw);
      case "array":
        return Array.isArray(raw) ? raw.map((item) => this.#element!.convert(item)) : this.#refuse(raw);
      case "struct":
        return this.#struct(raw);
    }
  }

  #int(raw: Value): bigint {
    if (typeof raw === "number" && Number.isInteger(raw)) {
      if (Number.isSafeInteger(raw)) return BigInt(raw);
      // Beyond 64 bits no digits can help, and short of it some may be missing.
      if (Math.abs(raw) <= 2 ** 63) throw new DigitsLost();
    }
    if (typeof raw === "bigint" && raw >= intMin && raw <= intMax) return raw;
    return this.#refuse(raw);
  }

  #boolean(raw: Value): boolean {
    if (typeof raw === "boolean") return raw;
    if (typeof raw === "number") return raw !== 0;
    if (typeof raw === "bigint") return raw !== 0n;
    return (typeof raw === "string" ? booleanTexts.get(raw) : undefined) ?? this.#refuse(raw);
  }

  #struct(raw: Value): Struct {
    if (!isStruct(raw)) return this.#refuse(raw);
    const output: Struct = {};
    for (const column of this.#columns) column.copy(raw, output);
    return output;
  }

  #refuse(raw: Value): never {
    const found = typeof raw === "object" ? (Array.isArray(raw) ? "an array" : "an object") : JSON.stringify(wide(raw));
    const text = found.length > 60 ? `${found.slice(0, 60)}…` : found;
    throw new RowError("E501", `column "${this.name}" is declared ${this.#type.kind}, found ${text}`);
  }
}

function wide(raw: Value): Value {
  return typeof raw === "bigint" ? Number(raw) : raw;
}
