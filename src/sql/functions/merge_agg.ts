import { isStruct, setOwn, type Struct } from "../../value/value.ts";
import { any, defineAggregate } from "./declare.ts";

export const mergeAgg = defineAggregate({
  name: "merge_agg",
  category: "aggregate",
  returns: "struct",
  params: [any("x", { star: true })],
  doc:
    "One map with the keys of all maps of the group, of which later rows win; only the top level is merged. Values " +
    "that are no maps are skipped. Null when nothing was merged.",
  examples: [
    { sql: "merge_agg(*)", rows: [{ a: 1n, b: 1n }, { b: 2n }], gives: { a: 1n, b: 2n } },
    { sql: "merge_agg(x)", rows: [{ x: { a: 1n } }, { x: 5n }, { x: null }], gives: { a: 1n } },
    { sql: "merge_agg(x)", rows: [{}], gives: null },
  ],
  init: (): Struct => ({}),
  add(state, x) {
    if (isStruct(x)) { for (const key of Object.keys(x)) setOwn(state, key, x[key]); }
    return state;
  },
  result: (state) => (Object.keys(state).length === 0 ? null : { ...state }),
  merge: (left, right) => ({ ...left, ...right }),
});
