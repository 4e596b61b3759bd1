/**
 * What a rule knows about itself.
 * @module
 */
import { defineFunction } from "./declare.ts";

export const ruleId = defineFunction({
  name: "rule_id",
  category: "other",
  returns: "string",
  nulls: "sees",
  impure: true,
  params: [],
  doc: "The id of the rule.",
  examples: [{ sql: "rule_id(1)", fails: "E203" }],
  compile: (_, context) => () => context.ruleId,
});

export const ruleStart = defineFunction({
  name: "rule_start",
  category: "other",
  returns: "int",
  nulls: "sees",
  impure: true,
  params: [],
  doc: "When the rule was started, in Unix milliseconds.",
  examples: [{ sql: "rule_start(1)", fails: "E203" }],
  compile: (_, context) => () => BigInt(Math.trunc(context.ruleStart)),
});
