/**
 * Payloads of a stream as rows, by the stream's own options: its format, and strict validation where it asks for it.
 * @module
 */
import { codecOf } from "../codec/codecs.ts";
import type { StrictValidator } from "../codec/strict.ts";
import { acceptedNames, readSettings } from "../connector/settings.ts";
import { RowError } from "../diagnostics/row_error.ts";
import { prepareIntake } from "../runtime/intake/prepare_intake.ts";
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
  const decode = createDecoding(definition, wanted);
  const validate = strictRows(definition, timezone, now)?.(wanted);
  return (payload) => {
    const rows = decode(bytesOfPayload(definition, payload));
    return validate === undefined ? rows : rows.map((row) => row instanceof RowError ? row : validRow(row, validate));
  };
}

function createDecoding(
  definition: StreamDefinition,
  wanted: ReadonlySet<string> | "all",
): (payload: Uint8Array) => (Struct | RowError)[] {
  const { name, options, columns } = definition;
  const settings = settingsOf(definition, (key) => key.startsWith("payload"));
  if (settings.payloadFormat !== "") {
    const intake = prepareIntake(definition, settings, "payloads", `stream ${name}`);
    const decoder = intake.createDecoder!(wanted);
    const inner = intake.createColumnDecoder!(wanted);
    return (payload) => decoder.decode(payload).flatMap((row) => orError(() => inner(row)));
  }
  const decoder = codecOf(options.format, { path: `stream ${name}.FORMAT` }).createDecoder({
    wanted,
    useInt64ForWholeNumber: usesInt64(definition),
    ...(columns === undefined ? {} : { columns: columns.map(({ name, type }) => ({ name: name.name, type })) }),
    ...(options.delimiter === undefined ? {} : { delimiter: options.delimiter }),
  });
  return (payload) => decoder.decode(payload);
}

function orError<T>(work: () => T[]): (T | RowError)[] {
  try {
    return work();
  } catch (error) {
    if (error instanceof RowError) return [error];
    throw error;
  }
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

/** The setting of sources, in EXTRA, that says how JSON is read. */
export function usesInt64(definition: StreamDefinition): boolean {
  return settingsOf(definition, () => false).useInt64ForWholeNumber;
}

/** The settings in EXTRA that say what a payload means; the others are about where it comes from, and when. */
function settingsOf({ name, options }: StreamDefinition, isWanted: (key: string) => boolean) {
  const known = [...acceptedNames(sourceSettings)].filter((key) => key === "useint64forwholenumber" || isWanted(key));
  const own = Object.entries(options.extra).filter(([key]) => known.includes(key.toLowerCase()));
  const place = { path: `stream ${name}.EXTRA`, where: "EXTRA" };
  return readSettings(sourceSettings, Object.fromEntries(own), place);
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
