/**
 * Second-stage decoding: a payload that stands in a column of a decoded message, such as the frame inside an envelope.
 *
 * @example
 * The message `{"device":"a","frame":"21.5,60"}` with `payloadField` `frame` and `payloadFormat` `delimited` gives the
 * row `{"device":"a","frame":"21.5,60","col0":"21.5","col1":"60"}`.
 * @module
 */
import type { Decoder } from "../../codec/codec.ts";
import { RowError } from "../../diagnostics/row_error.ts";
import { getOwn, isStruct, kindOf, setOwn, type Struct, type Value } from "../../value/value.ts";

export interface ColumnDecoderOptions {
  readonly decoder: Decoder;
  /** The column with the payload: bytes, or text that stands for its UTF-8. */
  readonly field: string;
  /** The column with a list of objects that have `field`; empty: the row itself has it. */
  readonly batchField: string;
  /** False: nobody wants the column that the payload comes from. */
  readonly keepsOuter: boolean;
}

/** The rows that one row becomes. Throws RowError E501. */
export type ColumnDecoder = (row: Struct) => Struct[];

const utf8 = new TextEncoder();

/**
 * The columns of the payload join those of the row, and win over them. A payload that decodes to several rows gives as
 * many; all payloads of a list together give one row, in which the later ones win.
 */
export function createColumnDecoder(options: ColumnDecoderOptions): ColumnDecoder {
  const { decoder, field, batchField, keepsOuter } = options;
  const decode = (holder: Struct): Struct[] => decoder.decode(payloadOf(holder, field));
  // Rows may be those of others, too, so each is copied.
  const outerOf = (row: Struct, name: string): Struct => {
    const outer = { ...row };
    if (!keepsOuter) delete outer[name];
    return outer;
  };
  if (batchField === "") return (row) => decode(row).map((inner) => join(outerOf(row, field), inner));
  return (row) => [elementsOf(row, batchField).flatMap(decode).reduce(join, outerOf(row, batchField))];
}

function payloadOf(holder: Struct, field: string): Uint8Array {
  const value = getOwn(holder, field);
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") return utf8.encode(value);
  throw new RowError("E501", `Cannot decode column "${field}": found ${shown(value)}, wanted bytes or text`);
}

function elementsOf(row: Struct, batchField: string): Struct[] {
  const value = getOwn(row, batchField);
  if (Array.isArray(value) && value.every(isStruct)) return value;
  throw new RowError("E501", `Cannot decode column "${batchField}": found ${shown(value)}, wanted a list of objects`);
}

function shown(value: Value): string {
  if (value === undefined) return "no such column";
  return value === null ? "null" : `a value of kind ${kindOf(value)}`;
}

/** Changes `row`, and gives it. */
function join(row: Struct, inner: Struct): Struct {
  for (const key of Object.keys(inner)) setOwn(row, key, inner[key]);
  return row;
}
