/**
 * A codec gives bytes their meaning: payloads of a source become rows, rows of a result become payloads.
 * @module
 */
import type { Struct, Value } from "../value/value.ts";

/** The type of a declared column; the same shape as in the syntax tree of CREATE STREAM. */
export type ColumnType =
  | { readonly kind: "bigint" | "float" | "string" | "boolean" | "datetime" | "bytea" }
  | { readonly kind: "array"; readonly element: ColumnType }
  | { readonly kind: "struct"; readonly columns: readonly DefaultedColumn[] };

/** A declared column. */
export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

/** A declared column with the value of its DEFAULT clause, which only strict validation fills in. */
export interface DefaultedColumn extends Column {
  /** Undefined: the column has no default. */
  readonly default?: Value;
}

/** A schema of the registry, ready to use: what a message of it looks like. */
export interface MessageSchema {
  /** `file.Message`, for messages. */
  readonly id: string;
  /** The columns of its rows. */
  readonly columns: readonly Column[];
  createDecoder(options: DecoderOptions): Decoder;
  createEncoder(options: EncoderOptions): Encoder;
}

/** How the payloads of one stream are to be decoded. A format ignores what has no meaning for it. */
export interface DecoderOptions {
  /** The declared columns; undefined or empty for a stream without schema. */
  readonly columns?: readonly Column[];
  /** The columns that some rule needs; others may be skipped. */
  readonly wanted: ReadonlySet<string> | "all";
  /** JSON without schema: a number written without point and exponent is an int. Default false: a float. */
  readonly useInt64ForWholeNumber?: boolean;
  /** Delimited: what stands between values. Default `,`. */
  readonly delimiter?: string;
  /** Delimited: the first line of a payload names the columns. Default false. */
  readonly hasHeader?: boolean;
  /** Delimited: names of the columns of a stream without schema. */
  readonly fields?: readonly string[];
  /** Of a codec with `schemaType`: what its payloads are encoded by. */
  readonly schema?: MessageSchema;
}

export interface Decoder {
  /**
   * The rows of one payload, which may be none: the bytes from `start` to `end` of `bytes`, or all of them. The payload
   * is not kept and rows hold no view of it; texts of the bytes around it may be kept until the next call.
   *
   * @throws {RowError} E501 when the payload is not what the format and the declared columns say.
   */
  decode(bytes: Uint8Array, start?: number, end?: number): Struct[];
}

/** How the results of one action are to be encoded. */
export interface EncoderOptions {
  /** Delimited: the columns in their order; without it, the keys of the first row in byte order. */
  readonly fields?: readonly string[];
  /** Delimited: what stands between values. Default `,`. */
  readonly delimiter?: string;
  /** Delimited: every payload starts with a line of column names. Default false. */
  readonly hasHeader?: boolean;
  /** As that of {@linkcode DecoderOptions}. */
  readonly schema?: MessageSchema;
}

export interface Encoder {
  /**
   * One row as a payload of its own (`sendSingle`).
   *
   * @throws {RowError} E508 for a value that the format has no form for.
   */
  encodeRow(row: Struct): string | Uint8Array;
  /** All rows as one payload. Throws as `encodeRow`. */
  encodeRows(rows: readonly Struct[]): string | Uint8Array;
  /**
   * One payload out of payloads of `encodeRow`, the same as `encodeRows` makes of their rows. Absent where the format
   * has no payload of several rows.
   */
  joinRows?(rows: readonly (string | Uint8Array)[]): string | Uint8Array;
}

/** A payload format. */
export interface Codec {
  /** The value of FORMAT and `format`. */
  readonly format: string;
  /** The kind of schema without which it can do nothing; absent: it needs none. */
  readonly schemaType?: "protobuf";
  createDecoder(options: DecoderOptions): Decoder;
  createEncoder(options: EncoderOptions): Encoder;
}
