/**
 * The connector `simulator`: rows out of the configuration, for demos and tests.
 * @module
 */
import * as v from "valibot";
import { defineConnector } from "../../src/connector/declare.ts";
import { duration, flag, list, text } from "../../src/connector/settings.ts";

const datasource = text({ description: "Has no meaning here.", optional: true });
const defaultData = [{ temperature: 20.5, humidity: 60 }];

/** Settings of the source. */
export const sourceSettings = v.strictObject({
  datasource,
  data: list(v.record(v.string(), v.unknown()), {
    description: "The rows, sent one after the other.",
    default: defaultData,
  }),
  interval: duration({ description: "Time from one row to the next.", default: 1000 }),
  loop: flag({ description: "True: start again after the last row. False: the stream ends there.", default: true }),
});

/** Settings of the lookup. */
export const lookupSettings = v.strictObject({
  datasource,
  data: list(v.record(v.string(), v.unknown()), { description: "The rows.", default: defaultData }),
});

export const simulator = defineConnector({
  name: "simulator",
  status: "stable",
  summary: "Gives rows that stand in its configuration.",
  source: {
    summary: "Sends the rows of `data`, one per `interval`.",
    delivery: "at-most-once",
    promise: () => ({
      level: "at-most-once",
      limit: "the simulator gives nothing again: it begins with its first row",
    }),
    emits: "rows",
    meta: [],
    settings: sourceSettings,
    open: async (settings, context) => new (await import("./source.ts")).SimulatorSource(settings, context),
  },
  lookup: {
    summary: "Looks up the rows of `data`.",
    opens: "with rule",
    settings: lookupSettings,
    open: async (settings) => new (await import("./lookup.ts")).SimulatorLookup(settings),
  },
  examples: [
    { title: "One row a second", role: "source", settings: { data: [{ temperature: 21.5 }], interval: "1s" } },
    {
      title: "Three rows and the end",
      role: "source",
      settings: { data: [{ a: 1 }, { a: 2 }, { a: 3 }], loop: false },
    },
    {
      title: "A small table",
      role: "lookup",
      settings: { data: [{ id: 1, name: "pump" }, { id: 2, name: "valve" }] },
    },
  ],
});
