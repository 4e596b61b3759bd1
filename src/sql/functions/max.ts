import { any, defineAggregate } from "./declare.ts";
import { addToExtremum, emptyExtremum, extremumValue, mergeExtrema } from "./extremum.ts";

export const max = defineAggregate({
  name: "max",
  category: "aggregate",
  returns: ([type]) => type ?? "unknown",
  params: [any("x")],
  doc:
    "The greatest of the non-null values, which must be all numbers or all strings (compared by their UTF-8 bytes). " +
    "One float among ints makes the result a float. Null when there is none.",
  examples: [
    { sql: "max(x)", rows: [{ x: 1n }, { x: 3n }, { x: null }], gives: 3n },
    { sql: "max(x)", rows: [{ x: 1n }, { x: 2.5 }, { x: 3n }], gives: 3 },
    { sql: "max(x)", rows: [{ x: "b" }, { x: "B" }], gives: "b" },
    { sql: "max(x)", rows: [{}], gives: null },
    { sql: "max(x)", rows: [{ x: 1n }, { x: "a" }], fails: "E506" },
  ],
  init: emptyExtremum,
  add(state, x) {
    addToExtremum(state, x, 1, "max");
    return state;
  },
  result: extremumValue,
  merge: (left, right) => mergeExtrema(left, right, 1, "max"),
});
