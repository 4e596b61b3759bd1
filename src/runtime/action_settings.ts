/**
 * The properties that every action has, whatever its sink.
 * @module
 */
import * as v from "valibot";
import { flag, ignored, integer, list, text, unsupported } from "../connector/settings.ts";
import { cacheSettings } from "./durable/cache_settings.ts";

/** Most actions hold few results; the bound keeps a stuck sink from filling the memory. */
const bufferLengthDefault = 1024;

export const actionSettings = v.strictObject({
  sendSingle: flag({
    description: "True sends each row alone, as an object; false sends each result as an array of rows.",
    default: false,
  }),
  omitIfEmpty: flag({
    description: "True leaves out empty results, also of empty windows, and, with sendSingle, empty rows.",
    default: false,
  }),
  format: text({ description: "How payloads are encoded: `json`, `binary` or `delimited`.", default: "json" }),
  delimiter: text({ description: "Separator of the format `delimited`.", default: "," }),
  hasHeader: flag({ description: "Starts each `delimited` payload with the column names.", default: false }),
  fields: list(v.string(), {
    description: "Columns to keep, the order of `delimited`; an absent one is sent as null.",
    default: [],
  }),
  excludeFields: list(v.string(), { description: "Columns to drop.", default: [] }),
  dataField: text({
    description: "Sends only the value of this column, an object or a list of objects; of a list, the first row's.",
    default: "",
    aliases: ["tableDataField"],
  }),
  bufferLength: integer({
    description: "Results that wait for the sink before the source is held back.",
    default: bufferLengthDefault,
    min: 1,
    max: 1_000_000,
  }),
  ...cacheSettings.entries,
  concurrency: ignored("Rows are encoded in order on one thread."),
  runAsync: ignored("Sinks always run on their own."),
  dataTemplate: unsupported("A template over the data."),
  batchSize: unsupported("Sends after so many rows."),
  lingerInterval: unsupported("Sends after so much time."),
  compression: unsupported("Compresses payloads."),
  compressionProps: unsupported("Settings of the compression."),
  encryption: unsupported("Encrypts payloads."),
  encProps: unsupported("Settings of the encryption."),
  schemaId: unsupported("Schema of `protobuf` and `custom`."),
  rowkindField: unsupported("The column that says insert, update or delete."),
});

export type ActionSettings = v.InferOutput<typeof actionSettings>;
