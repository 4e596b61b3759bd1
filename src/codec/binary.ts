/**
 * The format `binary`: a payload is one value, an image or the frame of some other protocol.
 * @module
 */
import { RowError } from "../diagnostics/row_error.ts";
import { setOwn, type Struct } from "../value/value.ts";
import type { Codec, Decoder, DecoderOptions, Encoder } from "./codec.ts";

const defaultColumn = "self";

/** The payload becomes the only declared column, or `self`. */
function createDecoder({ columns = [] }: DecoderOptions): Decoder {
  const name = columns.length === 1 ? columns[0]!.name : defaultColumn;
  return {
    decode(bytes, start = 0, end = bytes.length) {
      const row: Struct = {};
      // A copy: the payload's buffer belongs to the connector and rows outlive it.
      setOwn(row, name, bytes.slice(start, end));
      return [row];
    },
  };
}

function encodeRow(row: Struct): Uint8Array {
  const self = Object.hasOwn(row, defaultColumn) ? row[defaultColumn] : undefined;
  if (self instanceof Uint8Array) return self;
  const values = Object.values(row).filter((value) => value instanceof Uint8Array);
  if (self === undefined && values.length === 1) return values[0]!;
  throw new RowError(
    "E508",
    `Cannot encode a row as binary: wanted bytes in column "${defaultColumn}", or exactly one column with bytes`,
  );
}

const encoder: Encoder = {
  encodeRow,
  encodeRows(rows) {
    if (rows.length === 1) return encodeRow(rows[0]!);
    throw new RowError("E508", `Cannot encode ${rows.length} rows as one binary message: set sendSingle to true`);
  },
};

export const binary: Codec = { format: "binary", createDecoder, createEncoder: () => encoder };
