import { valuesEqual } from "../../value/equal.ts";
import type { Value } from "../../value/value.ts";
import { any, boolean, defineAnalytic } from "./declare.ts";

export const hadChanged = defineAnalytic({
  name: "had_changed",
  category: "analytic",
  returns: "boolean",
  params: [boolean("ignore_null"), any("x", { variadic: true, star: true })],
  doc: "True when any `x` differs from its value in the row before; `*` compares the whole row. With `ignore_null` " +
    "true a null is never a change. The first value that is not null is one.",
  examples: [
    { sql: "had_changed(true, x)", rows: [{ x: 1 }, { x: 1 }, {}, { x: 2 }], givesEach: [true, false, false, true] },
    { sql: "had_changed(false, x)", rows: [{ x: 1 }, {}, { x: null }], givesEach: [true, true, false] },
    {
      sql: "had_changed(true, x, y)",
      rows: [{ x: 1, y: 1 }, { x: 1, y: 2 }, { x: 1, y: 2 }],
      givesEach: [true, true, false],
    },
    { sql: "had_changed(true, *)", rows: [{ x: 1 }, { x: 1 }, { x: 2 }], givesEach: [true, false, true] },
    { sql: "had_changed(x, x)", rows: [{ x: 1 }], fails: "E506" },
  ],
  /** The stored value of each `x`. */
  init: (): Value[] => [],
  step(state, active, ignoreNull, ...xs) {
    if (!active) return { state, result: false };
    let changed = false;
    for (let i = 0; i < xs.length; i++) {
      const x = xs[i];
      if (state.length === i) state.push(null);
      if (ignoreNull === true && (x === null || x === undefined)) continue;
      if (valuesEqual(state[i], x)) continue;
      state[i] = x ?? null;
      changed = true;
    }
    return { state, result: changed };
  },
});
