import { defineFunction } from "./declare.ts";

export const tstamp = defineFunction({
  name: "tstamp",
  category: "time",
  returns: "int",
  nulls: "sees",
  impure: true,
  params: [],
  doc: "The processing time in Unix milliseconds.",
  examples: [{ sql: "tstamp(1)", fails: "E203" }],
  compile: (_, context) => () => BigInt(Math.trunc(context.now)),
});
