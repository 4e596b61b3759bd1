import { defineFunction } from "./declare.ts";

export const rand = defineFunction({
  name: "rand",
  category: "math",
  returns: "float",
  nulls: "propagate",
  impure: true,
  params: [],
  doc: "A random float from 0 up to, not including, 1.",
  examples: [{ sql: "rand(1)", fails: "E203" }],
  compile: (_, context) => () => context.random(),
});
