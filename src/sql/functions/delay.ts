import { any, defineFunction, index } from "./declare.ts";

/** The wait itself is a step of the plan in front of the clause that calls it: expressions take no time. */
export const delay = defineFunction({
  name: "delay",
  category: "other",
  returns: ([_, type = "unknown"]) => type,
  nulls: "propagate",
  impure: true,
  delays: true,
  params: [index("ms", { least: 0 }), any("x")],
  doc:
    "`x`, after the rule has been held up for so many milliseconds: rows wait one behind the other, in order. It can " +
    "stand in the select list, WHERE and HAVING.",
  examples: [
    { sql: "delay(1000, x)", rows: [{ x: 5 }], gives: 5 },
    { sql: "delay(1000, x)", gives: null },
    { sql: "delay('1s', x)", fails: "E205" },
  ],
  compile: () => (_ms, x) => x,
});
