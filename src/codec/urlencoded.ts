/**
 * The format `urlencoded`: pairs of a query string or a web form, `a=1&b=x`.
 *
 * Every decoded value is text; a key that stands several times is a list.
 * @module
 */
import { RowError } from "../diagnostics/row_error.ts";
import { compareByteOrder } from "../value/byte_order.ts";
import { floatText } from "../value/float_text.ts";
import { jsonText } from "../value/json_text.ts";
import { nestedText } from "../value/plain_text.ts";
import { DateTime } from "../value/datetime.ts";
import { setOwn, type Struct, type Value } from "../value/value.ts";
import type { Codec, Decoder, DecoderOptions, Encoder, EncoderOptions } from "./codec.ts";

const utf8 = new TextDecoder();

/** Declared columns are the only ones; the engine reads their texts as their types. */
function createDecoder({ columns = [], wanted }: DecoderOptions): Decoder {
  const declared = columns.length === 0 ? undefined : new Set(columns.map(({ name }) => name));
  const isKept = (name: string) => (declared?.has(name) ?? true) && (wanted === "all" || wanted.has(name));
  return {
    decode(bytes, start = 0, end = bytes.length) {
      const text = utf8.decode(bytes.subarray(start, end)).trim();
      const row: Struct = {};
      for (const [name, value] of new URLSearchParams(text)) {
        if (!isKept(name)) continue;
        const before = Object.hasOwn(row, name) ? row[name] : undefined;
        if (before === undefined) setOwn(row, name, value);
        else if (Array.isArray(before)) before.push(value);
        else setOwn(row, name, [before, value]);
      }
      return [row];
    },
  };
}

/** Pairs in the order of `fields`, else of the keys in byte order. A list gives a pair an item, null an empty value. */
function createEncoder({ fields = [] }: EncoderOptions): Encoder {
  const encodeRow = (row: Struct): string => {
    const names = fields.length > 0 ? fields : Object.keys(row).sort(compareByteOrder);
    const pairs = new URLSearchParams();
    for (const name of names) {
      const value = Object.hasOwn(row, name) ? row[name] : undefined;
      if (value === undefined) continue;
      for (const item of Array.isArray(value) ? value : [value]) pairs.append(name, valueText(item));
    }
    return pairs.toString();
  };
  return {
    encodeRow,
    encodeRows(rows) {
      if (rows.length === 1) return encodeRow(rows[0]!);
      throw new RowError("E508", `Cannot encode ${rows.length} rows as one urlencoded message: set sendSingle to true`);
    },
  };
}

function valueText(value: Value): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return floatText(value);
  if (typeof value !== "object" || value instanceof DateTime) return nestedText(value);
  return value instanceof Uint8Array ? value.toBase64() : jsonText(value);
}

export const urlencoded: Codec = { format: "urlencoded", createDecoder, createEncoder };
