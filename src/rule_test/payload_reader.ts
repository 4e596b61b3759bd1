/**
 * Payloads of a stream as rows, by the stream's own options: its format, and strict validation where it asks for it.
 * @module
 */
import { codecOf } from "../codec/codecs.ts";
import type { StrictValidator } from "../codec/strict.ts";
import { readSettings } from "../connector/settings.ts";
import { RowError } from "../diagnostics/row_error.ts";
import { sourceSettings } from "../runtime/source_settings.ts";
import type { StreamDefinition } from "../runtime/stream_definition.ts";
import type { SourcePlan } from "../sql/plan.ts";
import { strictRows } from "../runtime/strict_rows.ts";
import type { Struct } from "../value/value.ts";

/** Gives the rows of one payload, an error in place of each that is not valid; throws RowError when none can be read. */
export type PayloadReader = (payload: string) => (Struct | RowError)[];

const utf8 = new TextEncoder();

/** Formats whose payloads are no text; in a case they stand as Base64. */
const binaryFormats: readonly string[] = ["binary", "cbor", "msgpack", "protobuf"];

/**
 * @param wanted the columns that the rule needs.
 * @param timezone IANA name, or `Local`.
 * @param now Unix milliseconds, for times that leave something out.
 * @throws {DiagnosticError} E408 for a format that is not there yet.
 */
export function createPayloadReader(
  definition: StreamDefinition,
  wanted: ReadonlySet<string> | "all",
  timezone: string,
  now: () => number,
): PayloadReader {
  const { options, columns } = definition;
  const decoder = codecOf(options.format, { path: `stream ${definition.name}.FORMAT` }).createDecoder({
    wanted,
    useInt64ForWholeNumber: usesInt64(definition),
    ...(columns === undefined ? {} : { columns: columns.map(({ name, type }) => ({ name: name.name, type })) }),
    ...(options.delimiter === undefined ? {} : { delimiter: options.delimiter }),
  });
  const validate = strictRows(definition, timezone, now)?.(wanted);
  return (payload) => {
    const rows = decoder.decode(bytesOfPayload(definition, payload));
    return validate === undefined ? rows : rows.map((row) => validRow(row, validate));
  };
}

function validRow(row: Struct, validate: StrictValidator): Struct | RowError {
  try {
    return validate(row);
  } catch (error) {
    if (error instanceof RowError) return error;
    throw error;
  }
}

/** The columns that a statement needs of a stream or table, which may stand in FROM under several names. */
export function wantedColumns(sources: readonly SourcePlan[], name: string): ReadonlySet<string> | "all" {
  const columns = new Set<string>();
  for (const source of sources) {
    if (source.name !== name) continue;
    if (source.columns === "all") return "all";
    for (const column of source.columns) columns.add(column);
  }
  return columns;
}

/** The one setting of sources, in EXTRA, that says how JSON is read. */
export function usesInt64({ name, options }: StreamDefinition): boolean {
  const key = "useInt64ForWholeNumber";
  const own = Object.entries(options.extra).filter(([each]) => each.toLowerCase() === key.toLowerCase());
  const place = { path: `stream ${name}.EXTRA`, where: "EXTRA" };
  return readSettings(sourceSettings, Object.fromEntries(own), place).useInt64ForWholeNumber;
}

/**
 * The bytes of a payload as a case writes it.
 *
 * @throws {Error} when those of a binary format are no Base64.
 */
export function bytesOfPayload({ options }: StreamDefinition, text: string): Uint8Array {
  if (!binaryFormats.includes(options.format)) return utf8.encode(text);
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new Error(`expected Base64, found "${text.slice(0, 60)}"`);
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
