/**
 * The connector `random`: rows with random numbers, for demos and load tests.
 * @module
 */
import * as v from "valibot";
import { defineConnector } from "../../src/connector/declare.ts";
import { duration, integer, text } from "../../src/connector/settings.ts";

const pattern = v.pipe(
  v.record(v.string(), v.unknown()),
  v.check((columns) => Object.keys(columns).length > 0, "an object with a column or more"),
  v.description(
    "The columns of a row. To a whole number a random one is added, from 0 to `seed` - 1; other values stay as they are.",
  ),
);

/** Settings of the source. */
export const sourceSettings = v.strictObject({
  datasource: text({ description: "Has no meaning here.", optional: true }),
  interval: duration({ description: "Time from one row to the next.", default: 1000 }),
  seed: integer({ description: "The random numbers are below it.", min: 1, max: 2 ** 32 }),
  pattern,
  deduplicate: integer({
    description:
      "A row that equals one of so many before it is left out; a negative number stands for 100,000. 0: none is.",
    default: 0,
    max: 100_000,
  }),
});

export const random = defineConnector({
  name: "random",
  status: "stable",
  summary: "Gives rows with random numbers.",
  source: {
    summary: "Sends a row per `interval`.",
    delivery: "at-most-once",
    promise: () => ({ level: "at-most-once", limit: "nothing is given again: it is all random" }),
    emits: "rows",
    meta: [],
    settings: sourceSettings,
    open: async (settings, context) => new (await import("./source.ts")).RandomSource(settings, context),
  },
  examples: [
    {
      title: "A temperature between 20 and 29",
      role: "source",
      settings: { interval: "100ms", seed: 10, pattern: { temperature: 20, device: "boiler" } },
    },
  ],
});
