/**
 * The properties that every action has, whatever its sink.
 * @module
 */
import * as v from "valibot";
import { packEntries } from "../codec/pack.ts";
import { duration, flag, ignored, integer, list, text } from "../connector/settings.ts";
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
  format: text({
    description:
      "How payloads are encoded: `json`, `binary`, `delimited`, `urlencoded`, `protobuf`, `msgpack`, `cbor`.",
    default: "json",
  }),
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
  dataTemplate: text({
    description:
      "A [template](templates.md) that makes the message: of a row with sendSingle or batching, else of the " +
      "list of rows. The text is sent as it is; when `dataField`, `fields` or `excludeFields` are set, or the sink takes " +
      "rows, it must be JSON, and these apply to it.",
    default: "",
  }),
  batchSize: integer({
    description: "Gathers so many rows for one message, or one write of a sink that takes rows; 0 does not.",
    default: 0,
    min: 0,
    max: 1_000_000,
  }),
  lingerInterval: duration({
    description: "Gathers rows for at most so long: alone, or until there are `batchSize`. 0 waits without end.",
    default: 0,
  }),
  ...packEntries,
  bufferLength: integer({
    description: "Results that wait for the sink before the source is held back.",
    default: bufferLengthDefault,
    min: 1,
    max: 1_000_000,
  }),
  ...cacheSettings.entries,
  concurrency: ignored("Rows are encoded in order on one thread."),
  runAsync: ignored("Sinks always run on their own."),
  schemaId: text({ description: "Of the format `protobuf`: its schema, `file.Message`.", default: "" }),
});

export type ActionSettings = v.InferOutput<typeof actionSettings>;

/** True when messages are gathered for one payload, or one write. */
export function isBatched({ batchSize, lingerInterval }: ActionSettings): boolean {
  return batchSize > 0 || lingerInterval > 0;
}
