import { defineStageFunction, index } from "./declare.ts";

export const dedupTrigger = defineStageFunction({
  name: "dedup_trigger",
  category: "other",
  returns: "array",
  params: [index("start"), index("end"), index("now"), index("expire", { constant: true, least: 0 })],
  doc:
    "Rows ask for a span of time, from `start` to `end`, all in milliseconds. Each waits until its `end` is reached by " +
    "the `now` of a row or by the clock, and they leave in the order of `end`, with the parts of their span that no row " +
    "before has had: an array of `{start_key, end_key}`, texts. What lies more than `expire` before its `now` is left " +
    "out; null when nothing is left. A missing value, or a `start` that is not before `end`, fails the row. Only in the " +
    "select list, once, without a window.",
  examples: [
    {
      sql: "dedup_trigger(s, e, t, 1000) AS parts",
      rows: [{ s: 10, e: 30, t: 30 }, { s: 20, e: 40, t: 40 }, { s: 15, e: 35, t: 40 }],
      givesRows: [
        { parts: [{ start_key: "10", end_key: "30" }] },
        { parts: [{ start_key: "30", end_key: "40" }] },
        {},
      ],
    },
    { sql: "dedup_trigger(s, e, t, 1000)", rows: [{ s: 10, e: 30 }], fails: "E506" },
    { sql: "dedup_trigger(s, e, t, x)", fails: "E214" },
  ],
  stage: { kind: "dedup_trigger" },
});
