/**
 * The properties that every source has, whatever its connector.
 * @module
 */
import * as v from "valibot";
import { choice, flag, ignored, unsupported } from "../connector/settings.ts";

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
  interval: unsupported("Down-sampling of a source that pushes."),
  mergeField: unsupported("Merging while down-sampling."),
  merger: unsupported("Merging while down-sampling."),
  decompression: unsupported("Decompresses payloads."),
  sendInterval: unsupported("A pause between rows."),
  payloadFormat: unsupported("Second-stage decoding."),
  payloadField: unsupported("Second-stage decoding."),
  payloadBatchField: unsupported("Second-stage decoding."),
  payloadSchemaId: unsupported("Second-stage decoding."),
  payloadDelimiter: unsupported("Second-stage decoding."),
  lookup: ignored("Belongs to lookup tables."),
});
