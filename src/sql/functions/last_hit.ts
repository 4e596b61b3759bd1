/**
 * How often, and when last, the clause that calls was passed. The operator of the clause counts.
 * @module
 */
import { defineStageFunction } from "./declare.ts";

const places = "In the select list every row passes, in WHERE those for which it holds, in OVER (WHEN …) those for " +
  "which the trigger holds. Not in statements with GROUP BY or joins, apart from the WHEN of a sliding window.";

export const lastHitCount = defineStageFunction({
  name: "last_hit_count",
  category: "other",
  returns: "int",
  params: [],
  doc: `How many rows passed before. ${places}`,
  examples: [
    {
      sql: "last_hit_count() AS n",
      rows: [{}, {}, {}],
      givesRows: [{ n: 0n }, { n: 1n }, { n: 2n }],
    },
    {
      sql: "a",
      behind: "WHERE a > 1 AND last_hit_count() < 2",
      rows: [{ a: 1 }, { a: 2 }, { a: 3 }, { a: 4 }],
      givesRows: [{ a: 2 }, { a: 3 }],
    },
    { sql: "last_hit_count()", behind: "GROUP BY TUMBLINGWINDOW(ss, 10)", fails: "E216" },
  ],
  stage: { kind: "hits", of: "rows", gives: "count" },
});

export const lastHitTime = defineStageFunction({
  name: "last_hit_time",
  category: "other",
  returns: "int",
  params: [],
  doc: `The event time, in Unix milliseconds, of the row that passed before; 0 until there is one. ${places}`,
  examples: [
    {
      sql: "a",
      behind: "WHERE event_time() - last_hit_time() > 60000",
      rows: [{ a: 1 }, { a: 2 }],
      givesRows: [{ a: 1 }],
    },
    { sql: "last_hit_time()", behind: "GROUP BY TUMBLINGWINDOW(ss, 10)", fails: "E216" },
  ],
  stage: { kind: "hits", of: "rows", gives: "time" },
});

const listPlaces = "In the select list every window passes, in HAVING those in which it holds for any group.";

export const lastAggHitCount = defineStageFunction({
  name: "last_agg_hit_count",
  category: "aggregate",
  returns: "int",
  params: [],
  doc: `How many windows passed before; without a window, how many rows. ${listPlaces}`,
  examples: [
    { sql: "last_agg_hit_count() AS n", rows: [{}, {}], givesRows: [{ n: 0n }, { n: 1n }] },
    {
      sql: "a",
      behind: "GROUP BY TUMBLINGWINDOW(ss, 10) HAVING last_agg_hit_count() < 1",
      rows: [{ a: 1 }, { a: 2 }],
      givesRows: [{ a: 1 }, { a: 2 }],
    },
    { sql: "a", behind: "WHERE last_agg_hit_count() < 1", fails: "E216" },
  ],
  stage: { kind: "hits", of: "lists", gives: "count" },
});

export const lastAggHitTime = defineStageFunction({
  name: "last_agg_hit_time",
  category: "aggregate",
  returns: "int",
  params: [],
  doc: "The trigger time, in Unix milliseconds, of the window that passed before; 0 until there is one. " + listPlaces,
  examples: [
    { sql: "last_agg_hit_time() AS t", rows: [{}], givesRows: [{ t: 0n }] },
    { sql: "max(last_agg_hit_time())", fails: "E208" },
  ],
  stage: { kind: "hits", of: "lists", gives: "time" },
});
