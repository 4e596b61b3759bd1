import type { Value } from "../../value/value.ts";
import { any, defineAggregate } from "./declare.ts";

export const collect = defineAggregate({
  name: "collect",
  category: "aggregate",
  returns: "array",
  params: [any("x", { star: true })],
  writesNull: true,
  doc: "An array of all values, nulls included, in order of arrival or of ORDER BY; of the whole rows for " +
    "`collect(*)`. Null for an empty group.",
  examples: [
    { sql: "collect(x)", rows: [{ x: 1n }, { x: null }, { x: "a" }], gives: [1n, null, "a"] },
    { sql: "collect(*)", rows: [{ x: 1n }, { y: 2n }], gives: [{ x: 1n }, { y: 2n }] },
    { sql: "collect(x)", rows: [{}], gives: [null] },
  ],
  init: (): Value[] => [],
  add(state, x) {
    state.push(x ?? null);
    return state;
  },
  // A copy, because the state goes on growing when windows overlap.
  result: (state) => (state.length === 0 ? null : state.slice()),
});
