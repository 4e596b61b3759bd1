import type { Value } from "../../value/value.ts";
import { unify } from "../types.ts";
import { any, defineAnalytic } from "./declare.ts";

type LatestState = { value: Value };

export const latest = defineAnalytic({
  name: "latest",
  category: "analytic",
  returns: ([type = "unknown", fallback = type]) => unify(type, fallback),
  params: [any("x"), any("default", { optional: true })],
  doc: "The last `x` that was not null, this row included; until there is one, `default` or null.",
  examples: [
    { sql: "latest(x)", rows: [{}, { x: 1 }, { x: null }, { x: 2 }], givesEach: [null, 1, 1, 2] },
    { sql: "latest(x, 0)", rows: [{}, { x: 1 }], givesEach: [0n, 1] },
  ],
  init: (): LatestState => ({ value: null }),
  step(state, active, x, fallback) {
    if (active && x !== null && x !== undefined) state.value = x;
    return { state, result: state.value ?? fallback ?? null };
  },
});
