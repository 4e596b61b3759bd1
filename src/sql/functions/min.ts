import { any, defineAggregate } from "./declare.ts";
import { addToExtremum, emptyExtremum, extremumValue, mergeExtrema } from "./extremum.ts";

export const min = defineAggregate({
  name: "min",
  category: "aggregate",
  returns: ([type]) => type ?? "unknown",
  params: [any("x")],
  doc:
    "The smallest of the non-null values, which must be all numbers or all strings (compared by their UTF-8 bytes). " +
    "One float among ints makes the result a float. Null when there is none.",
  examples: [
    { sql: "min(x)", rows: [{ x: 1n }, { x: 3n }, { x: null }], gives: 1n },
    { sql: "min(x)", rows: [{ x: 1n }, { x: 2.5 }, { x: 3n }], gives: 1 },
    { sql: "min(x)", rows: [{ x: "b" }, { x: "B" }], gives: "B" },
    { sql: "min(x)", rows: [{}], gives: null },
    { sql: "min(x)", rows: [{ x: 1n }, { x: "a" }], fails: "E506" },
  ],
  init: emptyExtremum,
  add(state, x) {
    addToExtremum(state, x, -1, "min");
    return state;
  },
  result: extremumValue,
  merge: (left, right) => mergeExtrema(left, right, -1, "min"),
});
