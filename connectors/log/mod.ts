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
    summary:
      "Writes each message to the log at level info. Its lines are for people: long ones are shortened, and the log " +
      "does not tell whether they were written.",
    delivery: "at-most-once",
    promise: () => ({ level: "at-most-once", limit: "a line of the log may be lost when the agent is killed" }),
    accepts: "payloads",
    settings: v.strictObject({}),
    open: async (_settings, context) => new (await import("./sink.ts")).LogSink(context.log),
  },
  examples: [{ title: "Everything as it is", role: "sink", settings: {} }],
});
