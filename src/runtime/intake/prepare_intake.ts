/**
 * How the payloads or rows of one stream become rows, out of its options and the settings of every source.
 * @module
 */
import type { InferOutput } from "valibot";
import type { Column, DecoderOptions } from "../../codec/codec.ts";
import { codecOf } from "../../codec/codecs.ts";
import { createUnpacker } from "../../codec/pack.ts";
import { fail } from "../../diagnostics/diagnostic.ts";
import type { FeedOptions } from "../feed.ts";
import type { Schemas } from "../schemas.ts";
import type { sourceSettings } from "../source_settings.ts";
import type { StreamDefinition } from "../stream_definition.ts";
import { requiredSchema } from "../stream_schema.ts";
import { createColumnDecoder } from "./column_decoder.ts";
import type { Wanted } from "./intake.ts";

type SourceSettings = InferOutput<typeof sourceSettings>;

export type PreparedIntake = Pick<
  FeedOptions,
  "unpack" | "createDecoder" | "createColumnDecoder" | "sampling" | "sendIntervalMs"
>;

/** @throws {DiagnosticError} E403, E404, E408 for settings that do not fit together, or the format. */
export function prepareIntake(
  { options, columns: declared }: StreamDefinition,
  settings: SourceSettings,
  emits: "payloads" | "rows",
  path: string,
  schemas?: Schemas,
): PreparedIntake {
  checkTogether(settings, options.format, emits, path);
  const { decompression, interval, mergeField, sendInterval, useInt64ForWholeNumber } = settings;
  const codec = emits === "payloads" ? codecOf(options.format, { path: `${path}.FORMAT` }) : undefined;
  const schema = codec &&
    requiredSchema(codec, options.schemaId, schemas, { name: "SCHEMAID", path: `${path}.SCHEMAID` });
  // What a schema says of the message says nothing of a payload inside.
  const columns = schema === undefined
    ? declared?.map(({ name, type }): Column => ({ name: name.name, type })) ?? []
    : [];
  const common: Omit<DecoderOptions, "wanted"> = {
    useInt64ForWholeNumber,
    ...(columns.length === 0 ? {} : { columns }),
  };
  const outer: typeof common = {
    ...common,
    ...(columns.length === 0 ? {} : { columns: withEnvelope(columns, settings) }),
    ...(options.delimiter === undefined ? {} : { delimiter: options.delimiter }),
    ...(schema === undefined ? {} : { schema }),
  };
  const envelope = envelopeOf(settings);
  return {
    unpack: decompression === "" ? undefined : createUnpacker(decompression),
    createDecoder: codec === undefined
      ? undefined
      : (wanted) => codec.createDecoder({ ...outer, wanted: withColumn(wanted, envelope) }),
    createColumnDecoder: columnDecoderOf(settings, columns, common, path, schemas),
    sampling: interval === 0 ? undefined : { intervalMs: interval, mergeField },
    sendIntervalMs: sendInterval,
  };
}

function columnDecoderOf(
  settings: SourceSettings,
  columns: readonly Column[],
  common: Omit<DecoderOptions, "wanted">,
  path: string,
  schemas: Schemas | undefined,
): PreparedIntake["createColumnDecoder"] {
  if (settings.payloadFormat === "") return undefined;
  const { payloadFormat, payloadField: field, payloadBatchField: batchField, payloadDelimiter: delimiter } = settings;
  const codec = codecOf(payloadFormat, { path: `${path}.payloadFormat` });
  const place = { name: "payloadSchemaId", path: `${path}.payloadSchemaId` };
  const schema = requiredSchema(codec, settings.payloadSchemaId, schemas, place);
  const envelope = batchField || field;
  const isDeclared = columns.length === 0 || columns.some(({ name }) => name === envelope);
  // What the envelope itself has must not be taken for columns of the payload.
  const inner = { ...common, ...(columns.length === 0 ? {} : { columns: columns.filter((c) => c.name !== envelope) }) };
  return (wanted) =>
    createColumnDecoder({
      decoder: codec.createDecoder({ ...inner, wanted, delimiter, ...(schema === undefined ? {} : { schema }) }),
      field,
      batchField,
      keepsOuter: isDeclared && (wanted === "all" || wanted.has(envelope)),
    });
}

/** The column that the payloads of the second stage stand in; undefined without one. */
function envelopeOf({ payloadFormat, payloadField, payloadBatchField }: SourceSettings): string | undefined {
  return payloadFormat === "" ? undefined : payloadBatchField || payloadField;
}

function withColumn(wanted: Wanted, column: string | undefined): Wanted {
  return wanted === "all" || column === undefined ? wanted : new Set([...wanted, column]);
}

/** The declared columns, and the one with the payloads, which need not be declared. */
function withEnvelope(columns: readonly Column[], settings: SourceSettings): readonly Column[] {
  const name = envelopeOf(settings);
  if (name === undefined || columns.some((column) => column.name === name)) return columns;
  const payload = { kind: "string" } as const;
  if (settings.payloadBatchField === "") return [...columns, { name, type: payload }];
  const element = { kind: "struct", columns: [{ name: settings.payloadField, type: payload }] } as const;
  return [...columns, { name, type: { kind: "array", element } }];
}

function checkTogether(settings: SourceSettings, format: string, emits: "payloads" | "rows", path: string): void {
  const { decompression, interval, mergeField, payloadFormat, payloadField, payloadBatchField } = settings;
  const at = (name: string) => ({ path: `${path}.${name}` });
  if (decompression !== "" && emits === "rows") {
    fail("E403", "The source gives rows, not payloads: there is nothing to decompress", at("decompression"));
  }
  if (mergeField !== "" && interval === 0) {
    fail("E404", "mergeField needs the setting interval: what comes in it is merged", at("mergeField"));
  }
  if (mergeField !== "" && emits === "payloads" && format.toLowerCase() !== "json") {
    fail("E403", `Only JSON can be merged by a column: found FORMAT ${format}`, at("mergeField"));
  }
  if (payloadFormat !== "" && payloadField === "") {
    fail("E404", "payloadFormat needs the setting payloadField, the column with the payload", at("payloadFormat"));
  }
  if (payloadFormat === "" && (payloadField !== "" || payloadBatchField !== "")) {
    const name = payloadField === "" ? "payloadBatchField" : "payloadField";
    fail("E404", `${name} needs the setting payloadFormat, how the payload is decoded`, at(name));
  }
}
