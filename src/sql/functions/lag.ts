import type { Value } from "../../value/value.ts";
import { unify } from "../types.ts";
import { any, boolean, defineAnalytic, index } from "./declare.ts";

/** The last `n` values as a ring: `next` is where the next one goes, and once it is full, where the oldest one is. */
type LagState = { ring: Value[]; next: number; fallback: Value; started: boolean };

export const lag = defineAnalytic({
  name: "lag",
  category: "analytic",
  returns: ([type = "unknown", _, fallback = type]) => unify(type, fallback),
  params: [
    any("x"),
    index("n", { optional: true, constant: true, least: 0 }),
    any("default", { optional: true }),
    boolean("ignore_null", { optional: true }),
  ],
  doc: "The value of `x` `n` rows ago (1 when left out). Until there is one, `default` as it was on the first row. " +
    "Rows with a null `x` neither count nor shift unless `ignore_null` is false.",
  examples: [
    { sql: "lag(x)", rows: [{ x: 10 }, { x: null }, { x: 12 }, { x: 15 }], givesEach: [null, 10, 10, 12] },
    { sql: "lag(x, 1, 0, false)", rows: [{ x: 10 }, { x: null }, { x: 12 }, {}], givesEach: [0n, 10, null, 12] },
    { sql: "lag(x, 2, 0)", rows: [{ x: 10 }, { x: null }, { x: 12 }, { x: 15 }], givesEach: [0n, 0n, 0n, 10] },
    { sql: "lag(x, 1, 0, 'yes')", rows: [{ x: 10 }], fails: "E205" },
  ],
  init: (): LagState => ({ ring: [], next: 0, fallback: null, started: false }),
  step(state, active, x, n = 1, fallback, ignoreNull = true) {
    if (!state.started) {
      state.fallback = fallback ?? null;
      state.started = true;
    }
    const size = n ?? 1;
    if (size === 0) return { state, result: x };
    const result = state.ring.length < size ? state.fallback : state.ring[state.next];
    if (active && !(ignoreNull !== false && (x === null || x === undefined))) {
      state.ring[state.next] = x ?? null;
      state.next = (state.next + 1) % size;
    }
    return { state, result };
  },
});
