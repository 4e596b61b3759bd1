/**
 * The statistical aggregates of spread. They keep the mean and the sum of squared distances from it (Welford's method),
 * which stays exact where a sum of squares would lose all digits. They have no `merge`: it would round otherwise than
 * adding the rows one by one.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { describe } from "./arguments.ts";
import { any, defineAggregate, type Example, type SqlFunction } from "./declare.ts";

type Spread = { count: number; mean: number; squares: number };

/** @param finish Turns what was gathered into the result; `count` is at least 1. */
function spreadAggregate(
  name: string,
  doc: string,
  examples: readonly Example[],
  finish: (spread: Spread) => number | null,
): SqlFunction {
  return defineAggregate({
    name,
    category: "aggregate",
    returns: "float",
    params: [any("x")],
    doc,
    examples: [
      ...examples,
      { sql: `${name}(x)`, rows: [{}], gives: null },
      { sql: `${name}(x)`, rows: [{ x: "a" }], fails: "E506" },
    ],
    init: (): Spread => ({ count: 0, mean: 0, squares: 0 }),
    add(state, x) {
      if (x === null || x === undefined) return state;
      if (typeof x !== "number" && typeof x !== "bigint") {
        throw new RowError("E506", `${name}() needs numbers, found ${describe(x)}`);
      }
      const value = Number(x);
      const distance = value - state.mean;
      state.count++;
      state.mean += distance / state.count;
      state.squares += distance * (value - state.mean);
      return state;
    },
    result: (state) => (state.count === 0 ? null : finish(state)),
  });
}

/** Mean 5, squared distances 9+1+1+1+0+0+4+16. */
const eight = [2, 4, 4, 4, 5, 5, 7, 9].map((x) => ({ x }));
const four = [1n, 1n, 3n, null, 3n].map((x) => ({ x }));

export const stddev = spreadAggregate(
  "stddev",
  "The standard deviation of the non-null values as a whole population. Null when there is none.",
  [{ sql: "stddev(x)", rows: eight, gives: 2 }, { sql: "stddev(x)", rows: [{ x: 5 }], gives: 0 }],
  ({ count, squares }) => Math.sqrt(squares / count),
);

export const variance = spreadAggregate(
  "var",
  "The variance of the non-null values as a whole population. Null when there is none.",
  [{ sql: "var(x)", rows: eight, gives: 4 }, { sql: "var(x)", rows: four, gives: 1 }],
  ({ count, squares }) => squares / count,
);

export const sampleStddev = spreadAggregate(
  "stddevs",
  "The standard deviation of the non-null values as a sample of more (n − 1). Null when there are fewer than two.",
  [
    { sql: "stddevs(x)", rows: [{ x: 1 }, { x: 3 }, { x: 5 }], gives: 2 },
    { sql: "stddevs(x)", rows: [{ x: 5 }], gives: null },
  ],
  ({ count, squares }) => (count === 1 ? null : Math.sqrt(squares / (count - 1))),
);

export const sampleVariance = spreadAggregate(
  "vars",
  "The variance of the non-null values as a sample of more (n − 1). Null when there are fewer than two.",
  [
    { sql: "vars(x)", rows: [{ x: 1 }, { x: 3 }, { x: 5 }], gives: 4 },
    { sql: "vars(x)", rows: [{ x: 5 }], gives: null },
  ],
  ({ count, squares }) => (count === 1 ? null : squares / (count - 1)),
);
