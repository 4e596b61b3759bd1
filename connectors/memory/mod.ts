/**
 * The connector `memory`: a bus inside the process that chains rules.
 * @module
 */
import * as v from "valibot";
import { defineConnector, type DeliveryPromise } from "../../src/connector/declare.ts";
import { integer, refuseSetting, text } from "../../src/connector/settings.ts";
import { MemoryBus } from "./bus.ts";
import { MemoryLookup } from "./lookup.ts";
import { MemorySink } from "./sink.ts";
import { MemorySource } from "./source.ts";
import { filterProblem, isPublishTopic, wantedTopic } from "./topic.ts";

const datasource = v.pipe(
  text({
    description: "Topic to read: levels split by `/`; `+` stands for one level, a final `#` for all further ones.",
  }),
  v.check((topic) => filterProblem(topic) === undefined, (issue) => filterProblem(String(issue.input)) ?? "a topic"),
);

/** Settings of the source. */
export const sourceSettings = v.strictObject({
  datasource,
  bufferLength: integer({
    description: "Rows that may wait to be read; writers wait beyond it.",
    min: 1,
    default: 1024,
  }),
});

/** Settings of the lookup. */
export const lookupSettings = v.strictObject({
  datasource,
  key: text({ description: "The KEY of the table: the column that tells rows apart." }),
  rowsMax: integer({
    description: "Rows that the table keeps; beyond it, it forgets those that were written longest ago.",
    min: 1,
    default: 100_000,
  }),
});

/** Settings of the sink. */
export const sinkSettings = v.strictObject({
  topic: v.pipe(
    text({ description: "Topic to write to, without wildcards.", dynamic: true }),
    v.check(isPublishTopic, wantedTopic),
  ),
  rowkindField: text({
    description:
      "The column that says what a row does to lookup tables on the topic: `insert` and `upsert` put it in " +
      "the place of the row of its key, `update` only when there is one, `delete` takes that one out. A row without " +
      "the column is an upsert; with another value it fails. Sources get every row as it is.",
    default: "",
  }),
  keyField: text({
    description: "The column with the key of the row, for lookup tables whose KEY column the row lacks. A row " +
      "without it fails.",
    default: "",
  }),
});

/**
 * More would need a reader that is there before its writers send again, and that they know to wait for: rules start in
 * any order, and a topic may have no reader by intent.
 */
const promise = (): DeliveryPromise => ({
  level: "at-most-once",
  limit: "what is under way between two rules is in memory, and lost when the agent or the reading rule stops",
});

/** Everything opens in place, its code is there from the start: what is published from then on must not be missed. */
export const memory = defineConnector({
  name: "memory",
  status: "stable",
  summary: "Hands rows from one rule to others inside the agent, without encoding them.",
  description:
    "Nothing is kept for readers that come later, except in lookup tables. A full reader makes its writers wait, so " +
    "nothing is lost between two rules while they run. The exception is a circle of rules: the writer that would wait " +
    "for itself drops the row, and it counts as failed. What is under way when the agent or the reading rule stops is " +
    "lost: rules that must not lose anything can be chained through a broker.",
  connection: {
    summary: "The bus of the agent.",
    settings: v.strictObject({}),
    identity: () => "memory",
    open: (_settings, context) => {
      context.status("connected");
      return new MemoryBus(context);
    },
  },
  source: {
    summary: "Reads a topic, or many by wildcards.",
    delivery: "at-most-once",
    promise,
    emits: "rows",
    meta: ["topic"],
    settings: sourceSettings,
    reaches: ({ datasource }) => ({ topic: datasource }),
    open: (settings, context) => new MemorySource(settings, context),
  },
  lookup: {
    summary:
      "Keeps the last row of each KEY that is published on a topic, also while no rule runs. Rows without a key " +
      "are left out. The table is empty when the agent starts, or when its definition is replaced. Joins by other " +
      "columns than KEY are possible; each way to join by them costs memory for an index.",
    opens: "with table",
    settings: lookupSettings,
    reaches: ({ datasource }) => ({ topic: datasource }),
    open: (settings, context) => new MemoryLookup(settings, context),
  },
  sink: {
    summary: "Writes rows to a topic.",
    delivery: "at-most-once",
    promise,
    accepts: "rows",
    settings: sinkSettings,
    check({ rowkindField, keyField }) {
      if (rowkindField !== "" && keyField === "") {
        refuseSetting("keyField", "rowkindField needs keyField, the column with the key of the row", "E404");
      }
    },
    open: (settings, context) => new MemorySink(settings, context),
  },
  examples: [
    { title: "All lines of plant 1", role: "source", settings: { datasource: "plant1/+/temperature" } },
    { title: "The last state of each device", role: "lookup", settings: { datasource: "devices", key: "id" } },
    {
      title: "Rows that change such a table",
      role: "sink",
      settings: { topic: "devices", rowkindField: "action", keyField: "id" },
    },
    { title: "One topic", role: "sink", settings: { topic: "plant1/line2/temperature" } },
    { title: "A topic for each line", role: "sink", settings: { topic: "plant1/{{.line}}/temperature" } },
  ],
});
