import type { Value } from "../../value/value.ts";
import { any, boolean, defineAggregate } from "./declare.ts";

/** `seen` tells a null that was kept from a group without rows. */
type LastValueState = { value: Value; seen: boolean };

export const lastValue = defineAggregate({
  name: "last_value",
  category: "aggregate",
  returns: ([type]) => type ?? "unknown",
  params: [any("x", { star: true }), boolean("ignore_null", { constant: true })],
  doc: "The value of `x` in the last row; with `ignore_null` true, the last one that is not null. " +
    "`last_value(*, …)` is the whole last row.",
  examples: [
    { sql: "last_value(x, false)", rows: [{ x: 1n }, { x: null }], gives: null },
    { sql: "last_value(x, true)", rows: [{ x: 1n }, { x: null }], gives: 1n },
    { sql: "last_value(*, true)", rows: [{ x: 1n }, { x: 2n }], gives: { x: 2n } },
  ],
  init: (): LastValueState => ({ value: null, seen: false }),
  add(state, x, ignoreNull) {
    if (ignoreNull !== true || (x !== null && x !== undefined)) {
      state.value = x ?? null;
      state.seen = true;
    }
    return state;
  },
  result: (state) => state.value,
  merge: (left, right) => (right.seen ? right : left),
});
