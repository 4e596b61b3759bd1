import { nestedText } from "../../value/plain_text.ts";
import type { Value } from "../../value/value.ts";
import { any, boolean, defineAggregate } from "./declare.ts";

/** `rows` are the first rows of each distinct `x`; `fresh` is the last row of the group if it is one of them. */
type DeduplicateState = { all: boolean; seen: { [text: string]: true }; rows: Value[]; fresh: Value };

export const deduplicate = defineAggregate({
  name: "deduplicate",
  category: "aggregate",
  returns: "unknown",
  params: [any("x"), boolean("all", { constant: true }), any("row", { star: true, implicit: true })],
  doc:
    "With `all` true an array of the first rows of each distinct `x`; with false the last row of the group if its `x` " +
    "did not occur before, else null. Values of `x` are compared by their plain text.",
  examples: [
    { sql: "deduplicate(k, true)", rows: [{ k: "a", i: 1n }, { k: "a", i: 2n }], gives: [{ k: "a", i: 1n }] },
    { sql: "deduplicate(k, false)", rows: [{ k: "a" }, { k: "b" }, { k: "c" }], gives: { k: "c" } },
    { sql: "deduplicate(k, false)", rows: [{ k: "a" }, { k: "a" }], gives: null },
  ],
  init: (): DeduplicateState => ({ all: false, seen: {}, rows: [], fresh: null }),
  add(state, x, all, row) {
    // A mark in front keeps names such as __proto__ ordinary keys.
    const text = `=${nestedText(x)}`;
    const isNew = !Object.hasOwn(state.seen, text);
    state.all = all === true;
    state.fresh = isNew ? row : null;
    if (isNew) {
      state.seen[text] = true;
      if (state.all) state.rows.push(row);
    }
    return state;
  },
  result: (state) => (state.all ? state.rows.slice() : state.fresh),
});
