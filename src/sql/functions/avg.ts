import { any, defineAggregate } from "./declare.ts";
import { addToSum, emptySum, mergeSums, type NumberSum, sumValue } from "./number_sum.ts";

type AvgState = { sum: NumberSum; count: number };

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
  init: (): AvgState => ({ sum: emptySum(), count: 0 }),
  add(state, x) {
    if (addToSum(state.sum, x, "avg")) state.count++;
    return state;
  },
  result({ sum, count }) {
    if (count === 0) return null;
    const total = sumValue(sum);
    return typeof total === "bigint" ? total / BigInt(count) : total! / count;
  },
  merge: (left, right) => ({ sum: mergeSums(left.sum, right.sum), count: left.count + right.count }),
});
