import { any, defineAggregate } from "./declare.ts";
import { addToSum, emptySum, mergeSums, sumValue } from "./number_sum.ts";

export const sum = defineAggregate({
  name: "sum",
  category: "aggregate",
  returns: ([type]) => (type === "int" || type === "float" ? type : "number"),
  params: [any("x")],
  doc: "The sum of the non-null values: an int while all values are ints, else a float. Null when there is none.",
  examples: [
    { sql: "sum(x)", rows: [{ x: 1n }, { x: 2n }, { x: null }], gives: 3n },
    { sql: "sum(x)", rows: [{ x: 1n }, { x: 0.5 }], gives: 1.5 },
    { sql: "sum(x)", rows: [{}], gives: null },
    { sql: "sum(x)", rows: [{ x: "a" }], fails: "E506" },
  ],
  init: emptySum,
  add(state, x) {
    addToSum(state, x, "sum");
    return state;
  },
  result: sumValue,
  merge: mergeSums,
});
