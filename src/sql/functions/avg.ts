import { any, defineAggregate } from "./declare.ts";
import { addToSum, emptySum, mergeSums, sumValue } from "./number_sum.ts";

export const avg = defineAggregate({
  name: "avg",
  category: "aggregate",
  returns: ([type]) => (type === "int" || type === "float" ? type : "number"),
  params: [any("x")],
  doc:
    "The mean of the non-null values. While all values are ints it is an int, truncated toward zero; else a float. " +
    "Null when there is none.",
  examples: [
    { sql: "avg(x)", rows: [{ x: 1 }, { x: 2 }, { x: null }], gives: 1.5 },
    { sql: "avg(x)", rows: [{ x: 1n }, { x: 2n }], gives: 1n },
    { sql: "avg(x)", rows: [{ x: 1n }, { x: 2.5 }], gives: 1.75 },
    { sql: "avg(x)", rows: [{}], gives: null },
    { sql: "avg(x)", rows: [{ x: "a" }], fails: "E506" },
  ],
  init: emptySum,
  add(state, x) {
    addToSum(state, x, "avg");
    return state;
  },
  result(state) {
    const { count } = state;
    const total = sumValue(state);
    if (total === null) return null;
    return typeof total === "bigint" ? total / BigInt(count) : total / count;
  },
  merge: mergeSums,
});
