import { any, defineAggregate } from "./declare.ts";

export const count = defineAggregate({
  name: "count",
  category: "aggregate",
  returns: "int",
  params: [any("x", { star: true })],
  doc: "The number of rows for `count(*)`, else of the rows whose `x` is not null. Null for an empty group.",
  examples: [
    { sql: "count(*)", rows: [{ x: 1n }, { x: null }, {}], gives: 3n },
    { sql: "count(x)", rows: [{ x: 1n }, { x: null }, {}], gives: 1n },
    { sql: "count(x)", rows: [{}], gives: 0n },
  ],
  // Null until the first row, because the count of an empty group is null and not 0. A bigint would be a new object with
  // each row, and no count comes near 2^53.
  init: (): number | null => null,
  add: (state, x) => (state ?? 0) + (x === null || x === undefined ? 0 : 1),
  result: (state) => (state === null ? null : BigInt(state)),
  merge: (left, right) => (left === null ? right : right === null ? left : left + right),
});
