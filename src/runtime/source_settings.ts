/**
 * The properties that every source has, whatever its connector.
 * @module
 */
import * as v from "valibot";
import { choice, duration, flag, ignored, text, unsupported } from "../connector/settings.ts";
import { compressionMethods } from "../value/compression.ts";

export const sourceSettings = v.strictObject({
  useInt64ForWholeNumber: flag({
    description: "JSON without schema: a number written without a point becomes an int instead of a float.",
    default: false,
  }),
  onFull: choice(["block", "dropOldest", "dropNewest"], {
    description: "What happens when a rule cannot follow: `block` holds the source back, the others drop and count. " +
      "When absent, `block`; for a shared stream, whose rules shall not hold up each other, `dropOldest`.",
    optional: true,
  }),
  bufferLength: ignored("Sources are held back when rules cannot follow; nothing piles up."),
  interval: duration({
    description: "Of a source that pushes: hands on only the latest message of each interval; those before it are " +
      "dropped and counted. 0: all. Sources that poll have a setting `interval` of their own.",
    default: 0,
  }),
  mergeField: text({
    description: "With `interval` and JSON: hands on the latest message for each value of this column, all of an " +
      "interval merged into one row, in which later messages win.",
    default: "",
  }),
  merger: unsupported("A registered strategy of merging while down-sampling."),
  decompression: choice(["", ...compressionMethods], {
    description: "How payloads are compressed. One that stands for more than 16 MiB is dropped.",
    default: "",
  }),
  sendInterval: duration({
    description: "A pause between one row and the next, for messages that hold several.",
    default: 0,
  }),
  payloadFormat: text({
    description:
      "Second-stage decoding: the format of the payload that stands in `payloadField` of each message. Its " +
      "columns join those of the row, and win over them.",
    default: "",
  }),
  payloadField: text({ description: "The column with the payload, bytes or text.", default: "" }),
  payloadBatchField: text({
    description: "A column with a list of objects that have `payloadField`: all their payloads are decoded into the " +
      "one row, in which later ones win.",
    default: "",
  }),
  payloadDelimiter: text({ description: "Separator of `payloadFormat` `delimited`.", default: "," }),
  payloadSchemaId: text({
    description: "With a payloadFormat that needs one: its schema, `file.Message`.",
    default: "",
  }),
  lookup: ignored("Belongs to lookup tables."),
});
