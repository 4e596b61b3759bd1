/**
 * The connector `memory`: a bus inside the process that chains rules.
 * @module
 */
import * as v from "valibot";
import { defineConnector } from "../../src/connector/declare.ts";
import { integer, text, unsupported } from "../../src/connector/settings.ts";
import { MemoryBus } from "./bus.ts";
import { filterProblem } from "./topic.ts";

/** Settings of the source. */
export const sourceSettings = v.strictObject({
  datasource: v.pipe(
    text({
      description: "Topic to read: levels split by `/`; `+` stands for one level, a final `#` for all further ones.",
    }),
    v.check((topic) => filterProblem(topic) === undefined, (issue) => filterProblem(String(issue.input)) ?? "a topic"),
  ),
  bufferLength: integer({
    description: "Rows that may wait to be read; writers wait beyond it.",
    min: 1,
    default: 1024,
  }),
});

/** Settings of the sink. */
export const sinkSettings = v.strictObject({
  topic: v.pipe(
    text({ description: "Topic to write to, without wildcards." }),
    v.check((topic) => !/[+#]/.test(topic), "a topic without the wildcards + and #"),
  ),
  rowkindField: unsupported("The column that says insert, update or delete, for lookup tables."),
  keyField: unsupported("The key column of a lookup table."),
});

export const memory = defineConnector({
  name: "memory",
  status: "stable",
  summary: "Hands rows from one rule to others inside the agent, without encoding them.",
  description:
    "Nothing is kept for readers that come later. A full reader makes its writers wait, so nothing is lost " +
    "between two rules. The exception is a circle of rules: the writer that would wait for itself drops the row, and it " +
    "counts as failed.",
  connection: {
    summary: "The bus of the agent.",
    settings: v.strictObject({}),
    identity: () => "memory",
    open: (_settings, context) => new MemoryBus(context),
  },
  source: {
    summary: "Reads a topic, or many by wildcards.",
    delivery: "at-most-once",
    emits: "rows",
    meta: ["topic"],
    settings: sourceSettings,
    open: async (settings, context) => new (await import("./source.ts")).MemorySource(settings, context),
  },
  sink: {
    summary: "Writes rows to a topic.",
    delivery: "at-most-once",
    accepts: "rows",
    settings: sinkSettings,
    open: async (settings, context) => new (await import("./sink.ts")).MemorySink(settings, context),
  },
  examples: [
    { title: "All lines of plant 1", role: "source", settings: { datasource: "plant1/+/temperature" } },
    { title: "One topic", role: "sink", settings: { topic: "plant1/line2/temperature" } },
  ],
});
