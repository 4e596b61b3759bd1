/**
 * Percentiles, as eKuiper defines them: not the interpolation of textbooks.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import type { Value } from "../../value/value.ts";
import { describe } from "./arguments.ts";
import { any, defineAggregate, float } from "./declare.ts";

/** `p` is that of the first row. */
type PercentileState = { values: number[]; p: number | null };

function add(state: PercentileState, x: Value, p: number | null | undefined, functionName: string): PercentileState {
  state.p ??= p ?? null;
  if (x === null || x === undefined) return state;
  if (typeof x !== "number" && typeof x !== "bigint") {
    throw new RowError("E506", `${functionName}() needs numbers, found ${describe(x)}`);
  }
  state.values.push(Number(x));
  return state;
}

const rows = [{ x: 60 }, { x: 10 }, { x: 20 }, { x: null }];

export const percentileCont = defineAggregate({
  name: "percentile_cont",
  aliases: ["percentile"],
  category: "aggregate",
  returns: "float",
  params: [any("x"), float("p")],
  doc:
    "With the n non-null values in ascending order and i = p·n: value number i when i is whole, else the mean of the " +
    "two values around it. `p` must be over 0 and at most 1, and i at least 1. Null when there are no values.",
  examples: [
    { sql: "percentile_cont(x, 0.5)", rows, gives: 15 },
    { sql: "percentile_cont(x, 1)", rows, gives: 60 },
    { sql: "percentile_cont(x, 0.1)", rows: [{ x: 7n }], gives: 7 },
    { sql: "percentile_cont(x, 0.5)", rows: [{}], gives: null },
    { sql: "percentile_cont(x, 0.1)", rows, fails: "E506" },
    { sql: "percentile_cont(x, 1.5)", rows, fails: "E506" },
  ],
  init: (): PercentileState => ({ values: [], p: null }),
  add: (state, x, p) => add(state, x, p, "percentile_cont"),
  result({ values, p }) {
    if (values.length === 0) return null;
    if (p === null || !(p > 0 && p <= 1)) {
      throw new RowError("E506", `percentile_cont() needs 0 < p <= 1, found ${p}`);
    }
    if (values.length === 1) return values[0]!;
    const position = p * values.length;
    if (position < 1) {
      throw new RowError("E506", `percentile_cont(): ${p} of ${values.length} values is below the first`);
    }
    const sorted = values.toSorted((a, b) => a - b);
    const below = Math.floor(position);
    if (below === position) return sorted[below - 1]!;
    return (sorted[below - 1]! + sorted[below]!) / 2;
  },
});

export const percentileDisc = defineAggregate({
  name: "percentile_disc",
  category: "aggregate",
  returns: "float",
  params: [any("x"), float("p")],
  doc:
    "With the n non-null values in ascending order: value number p·n, rounded up and at least 1. `p` must be from 0 " +
    "to 1. Null when there are no values.",
  examples: [
    { sql: "percentile_disc(x, 0.5)", rows, gives: 20 },
    { sql: "percentile_disc(x, 0)", rows, gives: 10 },
    { sql: "percentile_disc(x, 0.5)", rows: [{}], gives: null },
    { sql: "percentile_disc(x, 1.5)", rows, fails: "E506" },
  ],
  init: (): PercentileState => ({ values: [], p: null }),
  add: (state, x, p) => add(state, x, p, "percentile_disc"),
  result({ values, p }) {
    if (values.length === 0) return null;
    if (p === null || !(p >= 0 && p <= 1)) {
      throw new RowError("E506", `percentile_disc() needs 0 <= p <= 1, found ${p}`);
    }
    return values.toSorted((a, b) => a - b)[Math.max(Math.ceil(p * values.length), 1) - 1]!;
  },
});
