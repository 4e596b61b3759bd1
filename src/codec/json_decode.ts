/**
 * Decodes JSON payloads: an object is a row, an array of objects is a list of rows.
 *
 * The native parser does the work. Only where it would lose digits or the int/float difference (ids beyond 2^53,
 * `useInt64ForWholeNumber`) does the slower parser of `json_parse.ts` run. Invalid UTF-8 is replaced by U+FFFD: one
 * damaged byte in a name must not cost the measurement beside it. A byte order mark is skipped.
 * @module
 */
import { Buffer, isAscii } from "node:buffer";
import { RowError } from "../diagnostics/row_error.ts";
import { isStruct, setOwn, type Struct, type Value } from "../value/value.ts";
import type { Decoder, DecoderOptions } from "./codec.ts";
import { ColumnReader, DigitsLost } from "./column_reader.ts";
import { JsonSyntaxError, nestingMax, nestsTooDeep, parseJsonPrecisely, type WholeNumbers } from "./json_parse.ts";

const utf8 = new TextDecoder();

/** Characters of a bad payload that a message shows around the place. */
const excerptCharacters = 24;

/** The decoder for one stream; see {@linkcode DecoderOptions}. Columns not declared or not wanted are skipped. */
export function createJsonDecoder(options: DecoderOptions): Decoder {
  const { columns = [], wanted, useInt64ForWholeNumber = false } = options;
  if (columns.length > 0) {
    return new TypedJsonDecoder(
      columns.filter(({ name }) => wanted === "all" || wanted.has(name)).map((c) => new ColumnReader(c)),
    );
  }
  const picked = wanted === "all" ? undefined : [...wanted];
  return useInt64ForWholeNumber ? new IntJsonDecoder(picked) : new FloatJsonDecoder(picked);
}

/** Without schema, every number a float. */
class FloatJsonDecoder implements Decoder {
  readonly #picked: readonly string[] | undefined;
  readonly #reader = new TextReader();

  constructor(picked: readonly string[] | undefined) {
    this.#picked = picked;
  }

  decode(bytes: Uint8Array, start = 0, end = bytes.length): Struct[] {
    const text = this.#reader.text(bytes, start, end);
    return pick(rowsOf(parseNatively(text), text), this.#picked);
  }
}

/**
 * Finds texts whose whole numbers the native parser cannot tell from floats: `5.0`, `5e0`, and a fraction so long that
 * it may round to a whole number.
 */
const ambiguous = /\d(?:\.0+(?!\d)|[eE]|\.\d{15})/;

/** Without schema, whole numbers as ints. */
class IntJsonDecoder implements Decoder {
  readonly #picked: readonly string[] | undefined;
  readonly #reader = new TextReader();

  constructor(picked: readonly string[] | undefined) {
    this.#picked = picked;
  }

  decode(bytes: Uint8Array, start = 0, end = bytes.length): Struct[] {
    const text = this.#reader.text(bytes, start, end);
    if (ambiguous.test(text)) return this.#precise(text);
    const rows = pick(rowsOf(parseNatively(text), text), this.#picked);
    try {
      for (const row of rows) wholeToInt(row);
    } catch (error) {
      if (error instanceof DigitsLost) return this.#precise(text);
      throw error;
    }
    return rows;
  }

  #precise(text: string): Struct[] {
    return pick(rowsOf(parsePrecisely(text, "int64"), text), this.#picked);
  }
}

/** Turns the whole numbers inside `holder` to ints, in place. */
function wholeToInt(holder: Struct | Value[]): void {
  // An array is walked by its keys too: both are read by `holder[key]`.
  const struct = holder as Struct;
  for (const key of Object.keys(struct)) {
    const value = struct[key];
    if (typeof value === "number") {
      if (!Number.isInteger(value)) continue;
      if (!Number.isSafeInteger(value)) throw new DigitsLost();
      setOwn(struct, key, BigInt(value));
    } else if (typeof value === "object" && value !== null) {
      wholeToInt(value as Struct | Value[]);
    }
  }
}

/** Sixteen digits in a row may be a number beyond 2^53. */
const manyDigits = /\d{16}/;

/** With declared columns. */
class TypedJsonDecoder implements Decoder {
  readonly #readers: readonly ColumnReader[];
  readonly #reader = new TextReader();
  /** Set once a message needed the precise parser: its stream has long ids, and the next message likely too. */
  #expectsManyDigits = false;

  constructor(readers: readonly ColumnReader[]) {
    this.#readers = readers;
  }

  decode(bytes: Uint8Array, start = 0, end = bytes.length): Struct[] {
    const text = this.#reader.text(bytes, start, end);
    if (this.#expectsManyDigits && manyDigits.test(text)) return this.#precise(text);
    const rows = rowsOf(parseNatively(text), text);
    try {
      return this.#convert(rows, text);
    } catch (error) {
      if (!(error instanceof DigitsLost)) throw error;
      this.#expectsManyDigits = true;
      return this.#precise(text);
    }
  }

  #precise(text: string): Struct[] {
    return this.#convert(rowsOf(parsePrecisely(text, "wide"), text), text);
  }

  #convert(rows: readonly Struct[], text: string): Struct[] {
    const readers = this.#readers;
    const output: Struct[] = new Array(rows.length);
    try {
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i]!;
        const struct: Struct = {};
        for (let j = 0; j < readers.length; j++) readers[j]!.copy(row, struct);
        output[i] = struct;
      }
    } catch (error) {
      if (error instanceof RowError) {
        throw new RowError("E501", `Cannot decode the message ${excerpt(text, 0)}: ${error.message}`);
      }
      throw error;
    }
    return output;
  }
}

/** Payloads of one read are decoded together while the read is at most this long; beyond, each by itself. */
const sharedBytesMax = 65_536;
// deno-lint-ignore no-control-regex -- the control characters are ASCII too.
const nonAscii = /[^\x00-\x7f]/;

/**
 * Texts of payloads. Those that stand in one buffer share one conversion of the whole buffer, as Latin-1, which is the
 * same text for all that is ASCII; a payload that is not is decoded by itself. A call into the engine costs more than
 * the work it does on a short message.
 */
class TextReader {
  #bytes: Uint8Array | undefined;
  #text = "";
  /** True when the whole buffer is ASCII, as most are; binary framing around the payloads makes it false. */
  #isAscii = false;

  /** @throws {RowError} E501 for a payload nested too deeply. */
  text(bytes: Uint8Array, start: number, end: number): string {
    if (nestsTooDeep(bytes, start, end)) {
      throw new RowError(
        "E501",
        `Cannot decode a message of ${end - start} bytes: nested over ${nestingMax} levels deep`,
      );
    }
    const whole = start === 0 && end === bytes.length;
    if (whole || bytes.length > sharedBytesMax) return utf8.decode(whole ? bytes : bytes.subarray(start, end));
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
      this.#isAscii = isAscii(bytes);
    }
    const text = this.#text.substring(start, end);
    return !this.#isAscii && nonAscii.test(text) ? utf8.decode(bytes.subarray(start, end)) : text;
  }
}

function parseNatively(text: string): Value {
  try {
    return JSON.parse(text) as Value;
  } catch (error) {
    // The engines describe the mistake differently or not at all: the other parser finds it again.
    parsePrecisely(text, "wide");
    throw new RowError("E501", `Cannot decode JSON ${excerpt(text, 0)}: ${(error as Error).message}`);
  }
}

function parsePrecisely(text: string, whole: WholeNumbers): Value {
  try {
    return parseJsonPrecisely(text, whole);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new RowError(
      "E501",
      `Cannot decode JSON ${excerpt(text, error.offset)} at offset ${error.offset}: ${error.message}`,
    );
  }
}

function rowsOf(value: Value, text: string): Struct[] {
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      if (!isStruct(value[i])) throw notRows(text, `item ${i} is ${nounOf(value[i])}`);
    }
    return value as Struct[];
  }
  if (isStruct(value)) return [value];
  throw notRows(text, `found ${nounOf(value)}`);
}

function notRows(text: string, found: string): RowError {
  return new RowError(
    "E501",
    `Cannot decode the message ${excerpt(text, 0)}: ${found}, wanted an object or an array of objects`,
  );
}

function nounOf(value: Value): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : `a ${typeof value}`;
}

function excerpt(text: string, offset: number): string {
  const from = Math.max(0, offset - excerptCharacters);
  const to = Math.min(text.length, offset + excerptCharacters);
  return `${from > 0 ? "…" : ""}${JSON.stringify(text.slice(from, to))}${to < text.length ? "…" : ""}`;
}

/** Only the columns of `names`, so that rows kept in a window hold nothing they do not need. */
function pick(rows: Struct[], names: readonly string[] | undefined): Struct[] {
  if (names === undefined) return rows;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    const output: Struct = {};
    for (let j = 0; j < names.length; j++) {
      const name = names[j]!;
      const value = row[name];
      if (value !== undefined && (!(name in Object.prototype) || Object.hasOwn(row, name))) setOwn(output, name, value);
    }
    rows[i] = output;
  }
  return rows;
}
