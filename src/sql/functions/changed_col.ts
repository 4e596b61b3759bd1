import { valuesEqual } from "../../value/equal.ts";
import type { Value } from "../../value/value.ts";
import { any, boolean, defineAnalytic } from "./declare.ts";

type ChangedState = { value: Value };

export const changedCol = defineAnalytic({
  name: "changed_col",
  category: "analytic",
  returns: (types) => types[1] ?? "unknown",
  params: [boolean("ignore_null"), any("x")],
  doc: "`x` when it differs from its value in the row before, else null. With `ignore_null` true a null is never a " +
    "change. The first value that is not null is one.",
  examples: [
    {
      sql: "changed_col(true, x)",
      rows: [{ x: 1 }, { x: 1 }, {}, { x: 1 }, { x: 2 }],
      givesEach: [1, null, null, null, 2],
    },
    { sql: "changed_col(false, x)", rows: [{ x: 1 }, {}, { x: 1 }], givesEach: [1, null, 1] },
    { sql: "changed_col(1, x)", rows: [{ x: 1 }], fails: "E205" },
  ],
  init: (): ChangedState => ({ value: null }),
  step(state, active, ignoreNull, x) {
    const skipped = ignoreNull === true && (x === null || x === undefined);
    if (!active || skipped || valuesEqual(state.value, x)) return { state, result: null };
    state.value = x ?? null;
    return { state, result: state.value };
  },
});
