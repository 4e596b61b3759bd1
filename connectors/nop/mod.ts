/**
 * The connector `nop`: nothing happens with the results.
 * @module
 */
import * as v from "valibot";
import { defineConnector } from "../../src/connector/declare.ts";
import { flag } from "../../src/connector/settings.ts";

/** Settings of the sink. */
export const sinkSettings = v.strictObject({
  log: flag({ description: "Write the results to the agent's log, as JSON.", default: false }),
});

export const nop = defineConnector({
  name: "nop",
  status: "stable",
  summary: "Discards every result.",
  sink: {
    summary: "Discards results without encoding them.",
    // Discarded twice is discarded.
    delivery: "exactly-once",
    promise: ({ log }) =>
      log
        ? { level: "at-most-once", limit: "a line of the log may be lost when the agent is killed" }
        : { level: "exactly-once" },
    accepts: "rows",
    settings: sinkSettings,
    open: async (settings, context) => new (await import("./sink.ts")).NopSink(settings, context.log),
  },
  examples: [
    { title: "Measure a rule without its output", role: "sink", settings: {} },
    { title: "See what would be sent", role: "sink", settings: { log: true } },
  ],
});
