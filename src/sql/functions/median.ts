import { RowError } from "../../diagnostics/row_error.ts";
import { describe } from "./arguments.ts";
import { any, defineAggregate } from "./declare.ts";

export const median = defineAggregate({
  name: "median",
  category: "aggregate",
  returns: "number",
  params: [any("x")],
  doc:
    "The middle one of the non-null values; of an even number, the mean of the two in the middle, as a float. Null " +
    "when there is none.",
  examples: [
    { sql: "median(x)", rows: [{ x: 9n }, { x: 1n }, { x: 5n }, { x: null }], gives: 5n },
    { sql: "median(x)", rows: [{ x: 1n }, { x: 2n }], gives: 1.5 },
    { sql: "median(x)", rows: [{}], gives: null },
    { sql: "median(x)", rows: [{ x: "a" }], fails: "E506" },
  ],
  init: (): (bigint | number)[] => [],
  add(state, x) {
    if (x === null || x === undefined) return state;
    if (typeof x !== "number" && typeof x !== "bigint") {
      throw new RowError("E506", `median() needs numbers, found ${describe(x)}`);
    }
    state.push(x);
    return state;
  },
  result(state) {
    if (state.length === 0) return null;
    const sorted = state.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    const middle = sorted.length >> 1;
    if (sorted.length % 2 === 1) return sorted[middle]!;
    return (Number(sorted[middle - 1]) + Number(sorted[middle])) / 2;
  },
});
