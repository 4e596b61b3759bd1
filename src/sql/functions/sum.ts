import { RowError } from "../../diagnostics/row_error.ts";
import { wrapInt } from "../../value/value.ts";
import { any, defineAggregate } from "./declare.ts";

/** `ints` holds the sum while every value is an int; the first float moves it over to `floats`. */
type SumState = { ints: bigint; floats: number; seen: "none" | "int" | "float" };

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
  init: (): SumState => ({ ints: 0n, floats: 0, seen: "none" }),
  add(state, x) {
    if (typeof x === "number") {
      state.floats = (state.seen === "int" ? Number(state.ints) : state.floats) + x;
      state.seen = "float";
    } else if (typeof x === "bigint") {
      if (state.seen === "float") state.floats += Number(x);
      else {
        state.ints = wrapInt(state.ints + x);
        state.seen = "int";
      }
    } else if (x !== null && x !== undefined) {
      throw new RowError("E506", "sum() needs numbers");
    }
    return state;
  },
  result: (state) => (state.seen === "none" ? null : state.seen === "int" ? state.ints : state.floats),
  merge(left, right) {
    if (right.seen === "none") return left;
    if (left.seen === "none") return right;
    if (left.seen === "int" && right.seen === "int") {
      left.ints = wrapInt(left.ints + right.ints);
    } else {
      left.floats = (left.seen === "int" ? Number(left.ints) : left.floats) +
        (right.seen === "int" ? Number(right.ints) : right.floats);
      left.seen = "float";
    }
    return left;
  },
});
