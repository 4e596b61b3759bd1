/**
 * The connector `log`: results as lines of the agent's log.
 * @module
 */
import * as v from "valibot";
import { defineConnector } from "../../src/connector/declare.ts";

export const log = defineConnector({
  name: "log",
  status: "stable",
  summary: "Writes every result to the agent's log.",
  sink: {
    summary: "Writes each message to the log at level info.",
    delivery: "at-least-once",
    accepts: "payloads",
    settings: v.strictObject({}),
    open: async (_settings, context) => new (await import("./sink.ts")).LogSink(context.log),
  },
  examples: [{ title: "Everything as it is", role: "sink", settings: {} }],
});
