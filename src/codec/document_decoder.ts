/**
 * Decoders of binary formats that, as JSON, hold one value a payload: an object is a row, an array of objects is a list of
 * rows.
 * @module
 */
import { RowError } from "../diagnostics/row_error.ts";
import { intMax, intMin, type Struct, type Value } from "../value/value.ts";
import type { Decoder, DecoderOptions } from "./codec.ts";
import { ColumnReader, DigitsLost } from "./column_reader.ts";

/** Deeper nesting is refused: it is never data, and recursive code over values would exhaust the stack. */
export const nestingMax = 256;

/** Values in one payload: each may take many times the byte that it is written with. */
export const valuesMax = 1_000_000;

/** Bytes that are not of the format; the decoder makes a RowError of it. `offset` counts from the start of the payload. */
export class MalformedPayload extends Error {
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.name = "MalformedPayload";
    this.offset = offset;
  }
}

/**
 * Reads the one document of a payload. Of rows, only `columns` are made; values of others are passed over.
 *
 * @throws {MalformedPayload}
 */
export type ReadRows = (
  bytes: Uint8Array,
  start: number,
  end: number,
  columns: ReadonlySet<string> | "all",
) => Struct[];

/** Whole numbers beyond 64 bits are floats, as they are in JSON. */
export function intOrFloat(value: bigint): bigint | number {
  return value >= intMin && value <= intMax ? value : Number(value);
}

/** @param format for messages: `MessagePack` */
export function createDocumentDecoder(
  format: string,
  { columns = [], wanted }: DecoderOptions,
  read: ReadRows,
): Decoder {
  const readers = columns.filter(({ name }) => wanted === "all" || wanted.has(name)).map((c) => new ColumnReader(c));
  const kept = columns.length > 0 ? new Set(readers.map(({ name }) => name)) : wanted;
  return {
    decode(bytes, start = 0, end = bytes.length) {
      try {
        const rows = read(bytes, start, end, kept);
        return columns.length > 0 ? rows.map((row) => converted(row, readers)) : rows;
      } catch (error) {
        if (error instanceof MalformedPayload) {
          throw new RowError("E501", `Cannot decode ${format} at byte ${error.offset}: ${error.message}`);
        }
        if (error instanceof RowError) throw new RowError(error.code, `Cannot decode the message: ${error.message}`);
        throw error;
      }
    },
  };
}

function converted(row: Struct, readers: readonly ColumnReader[]): Struct {
  const output: Struct = {};
  for (const reader of readers) {
    try {
      reader.copy(row, output);
    } catch (error) {
      if (!(error instanceof DigitsLost)) throw error;
      throw new RowError("E501", `column "${reader.name}" is declared bigint, found a float that is not exact`);
    }
  }
  return output;
}

/** What is not a row, in words. */
export function nounOf(value: Value): string {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "an array";
  if (value instanceof Uint8Array) return "bytes";
  return typeof value === "object" ? "an object" : `a ${typeof value === "bigint" ? "whole number" : typeof value}`;
}
