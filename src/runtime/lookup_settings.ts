/**
 * The properties that every lookup table has, whatever its connector.
 * @module
 */
import * as v from "valibot";
import { duration, flag } from "../connector/settings.ts";

export const lookupSettings = v.strictObject({
  lookup: v.optional(
    v.strictObject({
      cache: flag({ description: "Keep what the store answered, and ask it less often.", default: false }),
      cacheTtl: duration({
        description: "How long a kept answer is good. 0: for ever.",
        default: 0,
        bare: "seconds",
      }),
      cacheMissingKey: flag({ description: "Keep too that there is no row for a key.", default: false }),
    }),
    { cache: false, cacheTtl: 0, cacheMissingKey: false },
  ),
});
