/**
 * The format `delimited`: values with a separator between them and no quoting, as eKuiper reads and writes it.
 *
 * Every decoded value is text. Because there is no quoting, a value that holds the separator or a line break does not
 * survive; choose a separator that the data does not contain.
 * @module
 */
import { RowError } from "../diagnostics/row_error.ts";
import { compareByteOrder } from "../value/byte_order.ts";
import { floatText } from "../value/float_text.ts";
import { nestedText } from "../value/plain_text.ts";
import { setOwn, type Struct, type Value } from "../value/value.ts";
import type { Codec, Decoder, DecoderOptions, Encoder, EncoderOptions } from "./codec.ts";
import { payloadText } from "./payload_text.ts";

const utf8 = new TextDecoder();

/** `\t` may be written with a backslash, as shells and YAML leave it. */
function separatorOf(delimiter: string | undefined): string {
  return delimiter === undefined || delimiter === "" ? "," : delimiter.replaceAll("\\t", "\t");
}

/**
 * One payload is one row. Its columns are the declared ones, else `fields`, else `col0`, `col1` …; with `hasHeader` the
 * first line names them and each further line is a row. A line break at the end is not part of the last value. Missing
 * values leave their columns out; a value too many fails the message, unless it is empty.
 */
function createDecoder({ columns = [], fields = [], wanted, delimiter, hasHeader = false }: DecoderOptions): Decoder {
  const separator = separatorOf(delimiter);
  const known = columns.length > 0 ? columns.map(({ name }) => name) : fields;
  const toRow = (line: string, names: readonly string[]): Struct => {
    const values = line.split(separator);
    if (names.length > 0 && values.slice(names.length).some((value) => value !== "")) {
      throw new RowError(
        "E501",
        `Cannot decode ${JSON.stringify(line.slice(0, 60))}: found ${values.length} values for ${names.length} columns`,
      );
    }
    const row: Struct = {};
    for (const [i, value] of values.entries()) {
      if (names.length > 0 && i >= names.length) break;
      const name = names[i] ?? `col${i}`;
      if (wanted === "all" || wanted.has(name)) setOwn(row, name, value);
    }
    return row;
  };
  return {
    decode(bytes, start = 0, end = bytes.length) {
      const text = utf8.decode(bytes.subarray(start, end)).replace(/\r?\n$/, "");
      if (!hasHeader) return [toRow(text, known)];
      const [header = "", ...lines] = text.split(/\r?\n/);
      const names = header.split(separator);
      return lines.filter((line) => line !== "").map((line) => toRow(line, names));
    },
  };
}

/**
 * Columns in the order of `fields`, else the keys of the first row ever encoded in byte order; later rows keep to it.
 * A missing or null value is empty, a float has no exponent, a list of rows has one line a row.
 */
function createEncoder({ fields, delimiter, hasHeader = false }: EncoderOptions): Encoder {
  const separator = separatorOf(delimiter);
  let names = fields === undefined || fields.length === 0 ? undefined : fields;
  const toLine = (row: Struct, columns: readonly string[]) =>
    columns.map((name) => Object.hasOwn(row, name) ? valueText(row[name]) : "").join(separator);
  const encodeRows = (rows: readonly Struct[]): string => {
    const first = rows[0];
    if (first === undefined) return "";
    names ??= Object.keys(first).filter((key) => first[key] !== undefined).sort(compareByteOrder);
    const columns = names;
    const lines = rows.map((row) => toLine(row, columns));
    return (hasHeader ? [columns.join(separator), ...lines] : lines).join("\n");
  };
  const joinRows = (rows: readonly (string | Uint8Array)[]): string => {
    const texts = rows.map(payloadText);
    if (!hasHeader || texts.length === 0) return texts.join("\n");
    // Rows that another encoder made, before a restart, tell their columns themselves.
    const header = (names?.join(separator) ?? texts[0]!.split("\n", 1)[0]!) + "\n";
    // A text that a template made has no header.
    const lines = texts.map((text) => text.startsWith(header) ? text.slice(header.length) : text);
    return (lines.some((line, i) => line !== texts[i]) ? header : "") + lines.join("\n");
  };
  return { encodeRow: (row) => encodeRows([row]), encodeRows, joinRows };
}

function valueText(value: Value): string {
  if (value === null || value === undefined) return "";
  return typeof value === "number" ? floatText(value) : nestedText(value);
}

export const delimited: Codec = { format: "delimited", createDecoder, createEncoder };
