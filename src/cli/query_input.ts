/**
 * Rows out of files and standard input, for `weir query`.
 * @module
 */
import { open } from "node:fs/promises";
import { createJsonDecoder } from "../codec/json_decode.ts";
import type { Column, Decoder } from "../codec/codec.ts";
import { RowError } from "../diagnostics/row_error.ts";
import type { ColumnDefinition, ColumnType } from "../sql/ast.ts";
import { setOwn, type Struct, type Value } from "../value/value.ts";

export type InputFormat = "ndjson" | "csv";

export interface InputOptions {
  readonly wanted: ReadonlySet<string> | "all";
  /** By the file's name when absent: `.csv` is CSV, everything else NDJSON. */
  readonly format?: InputFormat;
  readonly columns?: readonly ColumnDefinition[];
  /** JSON without schema: whole numbers are ints. */
  readonly useInt64ForWholeNumber?: boolean;
  /** What becomes of each row, for strict validation and the like; throws RowError. */
  readonly accept?: (row: Struct) => Struct;
  readonly stdin: () => AsyncIterable<Uint8Array>;
  /** A line that could not be read. Lines count from 1. */
  readonly onFailure: (line: number, error: RowError) => void;
}

/** Batches of rows in the order of the file. Rejects with the system's error when the file cannot be read. */
export async function* readRows(file: string, options: InputOptions): AsyncGenerator<Struct[]> {
  const bytes: AsyncIterable<Uint8Array> = file === "-" ? options.stdin() : (await open(file)).createReadStream();
  const format = options.format ?? (/\.csv$/i.test(file) ? "csv" : "ndjson");
  yield* format === "csv" ? readCsv(bytes, options) : readNdjson(bytes, options);
}

async function* readNdjson(bytes: AsyncIterable<Uint8Array>, options: InputOptions): AsyncGenerator<Struct[]> {
  const columns: readonly Column[] | undefined = options.columns?.map((c) => ({ name: c.name.name, type: c.type }));
  const decoder = createJsonDecoder({
    wanted: options.wanted,
    useInt64ForWholeNumber: options.useInt64ForWholeNumber ?? false,
    ...(columns === undefined ? {} : { columns }),
  });
  /** The pieces of a line that goes on in the next chunk. */
  let pieces: Uint8Array[] = [];
  let line = 0;
  for await (const chunk of bytes) {
    const rows: Struct[] = [];
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      line++;
      if (pieces.length === 0) {
        decodeLine(chunk, start, end, line, decoder, rows, options);
      } else {
        const whole = joined(pieces, chunk.subarray(start, end));
        decodeLine(whole, 0, whole.length, line, decoder, rows, options);
        pieces = [];
      }
      start = end + 1;
    }
    if (start < chunk.length) pieces.push(chunk.subarray(start));
    yield rows;
  }
  const rows: Struct[] = [];
  const last = joined(pieces, new Uint8Array());
  decodeLine(last, 0, last.length, line + 1, decoder, rows, options);
  yield rows;
}

function joined(pieces: readonly Uint8Array[], last: Uint8Array): Uint8Array {
  if (pieces.length === 0) return last;
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, last.length));
  let at = 0;
  for (const piece of [...pieces, last]) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** Some editors begin a file with a byte order mark, which is no JSON. */
function startsWithMark(line: Uint8Array): boolean {
  return line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf;
}

/** Empty lines, also with a carriage return or blanks, are no rows. */
function isBlank(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    if (byte !== 32 && byte !== 13 && byte !== 9) return false;
  }
  return true;
}

/** The line is `bytes` from `start` to `end`: lines of one chunk share its conversion to text. */
function decodeLine(
  bytes: Uint8Array,
  start: number,
  end: number,
  line: number,
  decoder: Decoder,
  rows: Struct[],
  options: InputOptions,
): void {
  const from = line === 1 && startsWithMark(bytes) ? start + 3 : start;
  if (isBlank(bytes, from, end)) return;
  try {
    for (const row of decoder.decode(bytes, from, end)) acceptInto(rows, row, line, options);
  } catch (error) {
    if (!(error instanceof RowError)) throw error;
    options.onFailure(line, error);
  }
}

/** A row that is refused does not take the others of its line along. */
function acceptInto(rows: Struct[], row: Struct, line: number, options: InputOptions): void {
  try {
    rows.push(options.accept === undefined ? row : options.accept(row));
  } catch (error) {
    if (!(error instanceof RowError)) throw error;
    options.onFailure(line, error);
  }
}

const rowsPerBatch = 1000;

async function* readCsv(bytes: AsyncIterable<Uint8Array>, options: InputOptions): AsyncGenerator<Struct[]> {
  const [{ parse }, { Readable }] = await Promise.all([import("csv-parse"), import("node:stream")]);
  const parser = Readable.from(bytes).pipe(parse({
    bom: true,
    skip_empty_lines: true,
    relax_column_count: true,
    info: true,
    cast: (text, { quoting }) => ({ text, quoting }) as unknown as string,
  }));
  const types = new Map(options.columns?.map((c) => [c.name.name, c.type.kind]));
  let names: string[] | undefined;
  let rows: Struct[] = [];
  const records = parser as AsyncIterable<{ record: Field[]; info: { lines: number } }>;
  for await (const { record, info } of records) {
    if (names === undefined) {
      names = record.map(({ text }) => text);
      continue;
    }
    try {
      const row = rowOf(record, names, types, options.wanted);
      rows.push(options.accept === undefined ? row : options.accept(row));
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      options.onFailure(info.lines, error);
    }
    if (rows.length === rowsPerBatch) {
      yield rows;
      rows = [];
    }
  }
  yield rows;
}

interface Field {
  readonly text: string;
  readonly quoting: boolean;
}

function rowOf(
  record: readonly Field[],
  names: readonly string[],
  types: ReadonlyMap<string, ColumnType["kind"]>,
  wanted: InputOptions["wanted"],
): Struct {
  if (record.length > names.length) {
    throw new RowError("E501", `Cannot decode the line: found ${record.length} values for ${names.length} columns`);
  }
  const row: Struct = {};
  for (const [i, field] of record.entries()) {
    const name = names[i]!;
    if (wanted !== "all" && !wanted.has(name)) continue;
    // Of a stream with declared columns, others do not exist.
    const type = types.get(name);
    if (types.size > 0 && type === undefined) continue;
    const value = type === undefined ? undeclaredValue(field) : declaredValue(field, name, type);
    if (value !== null) setOwn(row, name, value);
  }
  return row;
}

/** A field of a declared column; an empty one without quotes is absent. */
function declaredValue({ text, quoting }: Field, name: string, type: ColumnType["kind"]): Value {
  if (text === "" && !quoting) return null;
  const refuse = (): never => {
    throw new RowError("E501", `Cannot decode column "${name}": expected ${type}, found ${JSON.stringify(text)}`);
  };
  switch (type) {
    case "bigint":
      return /^[+-]?\d+$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text) ? BigInt(text) : refuse();
    case "float":
      return numberText.test(text) ? Number(text) : refuse();
    case "boolean":
      return text === "true" ? true : text === "false" ? false : refuse();
    case "string":
      return text;
    case "datetime":
      return undeclaredValue({ text, quoting });
    default:
      throw new RowError("E501", `Cannot decode column "${name}": CSV has no values of type ${type}`);
  }
}

const numberText = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** Without declaration, an unquoted field is a number, a boolean, nothing, or text. */
function undeclaredValue({ text, quoting }: Field): Value {
  if (quoting) return text;
  if (text === "") return null;
  if (text === "true") return true;
  if (text === "false") return false;
  return numberText.test(text) ? Number(text) : text;
}
