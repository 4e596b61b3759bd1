/**
 * Functions that shape the output: several columns or several rows from one call, and numbers of rows. Analyze gives each
 * its place in the statement; the projection and the step behind HAVING carry them out.
 * @module
 */
import { any, array, boolean, defineStageFunction, string, struct } from "./declare.ts";

export const changedCols = defineStageFunction({
  name: "changed_cols",
  category: "analytic",
  returns: "unknown",
  params: [string("prefix"), boolean("ignore_null"), any("x", { variadic: true, star: true })],
  doc:
    "For each `x` that differs from its last value, a column named `prefix` and the name of the column or function; " +
    "`*` stands for each column of the row. With `ignore_null` true a null is never a change. Only in the select list, " +
    "so behind WHERE; `x` may hold aggregates.",
  examples: [
    {
      sql: "changed_cols('new_', true, a, b)",
      rows: [{ a: 1, b: 2 }, { a: 1, b: 3 }, { a: 1 }],
      givesRows: [{ new_a: 1, new_b: 2 }, { new_b: 3 }, {}],
    },
    { sql: "changed_cols('', false, a)", rows: [{ a: 1 }, {}, { a: 2 }], givesRows: [{ a: 1 }, { a: null }, { a: 2 }] },
    { sql: "changed_cols('', true, *)", rows: [{ a: 1 }, { a: 1, b: 2 }], givesRows: [{ a: 1 }, { b: 2 }] },
    { sql: "changed_cols(1, true, a)", fails: "E205" },
    { sql: "a", behind: "WHERE changed_cols('', true, a)", fails: "E216" },
  ],
  stage: { kind: "changed_columns" },
});

export const unnest = defineStageFunction({
  name: "unnest",
  category: "array",
  returns: "unknown",
  params: [array("array")],
  doc: "One output row for each element; the other items of the select list are repeated. The keys of maps become " +
    "columns, in place of plain columns of the same name; other elements stand under the alias, or `unnest`. It stands " +
    "outermost in the select list, once. Null, an empty array and anything else fail the row.",
  examples: [
    { sql: "k, unnest(a) AS v", rows: [{ k: "x", a: [1, 2] }], givesRows: [{ k: "x", v: 1 }, { k: "x", v: 2 }] },
    { sql: "k, unnest(a)", rows: [{ k: "x", a: [{ k: "y" }, { b: 1 }] }], givesRows: [{ k: "y" }, { k: "x", b: 1 }] },
    { sql: "unnest(a)", rows: [{}], fails: "E506" },
    { sql: "unnest(a)", rows: [{ a: [] }], fails: "E506" },
    { sql: "cardinality(unnest(a))", fails: "E216" },
  ],
  stage: { kind: "spread" },
});

export const extract = defineStageFunction({
  name: "extract",
  category: "object",
  returns: "unknown",
  params: [struct("map")],
  doc:
    "The keys of a map as columns, in place of plain columns of the same name; as `unnest` of an array with the map " +
    "alone. It stands outermost in the select list, once. Null and anything but a map fail the row.",
  examples: [
    { sql: "k, extract(m)", rows: [{ k: "x", m: { a: 1, b: 2 } }], givesRows: [{ k: "x", a: 1, b: 2 }] },
    { sql: "extract(m)", rows: [{}], fails: "E506" },
    { sql: "extract(m)", rows: [{ m: [1] }], fails: "E506" },
  ],
  stage: { kind: "spread" },
});

export const rowNumber = defineStageFunction({
  name: "row_number",
  category: "analytic",
  returns: "int",
  params: [],
  doc:
    "1, 2, 3 … over the rows or groups of a window, after HAVING; 1 for a single row. `OVER (PARTITION BY … ORDER BY " +
    "…)` counts anew in each partition and puts the rows in the order of the partitions, and within them in that of " +
    "ORDER BY. Only in the select list.",
  examples: [
    { sql: "a, row_number() AS n", rows: [{ a: 1 }, { a: 2 }], givesRows: [{ a: 1, n: 1n }, { a: 2, n: 1n }] },
    {
      sql: "k, a, row_number() OVER (PARTITION BY k ORDER BY a DESC) AS n",
      behind: "GROUP BY TUMBLINGWINDOW(ss, 10)",
      rows: [{ k: "y", a: 1 }, { k: "x", a: 2 }, { k: "x", a: 3 }],
      givesRows: [{ k: "x", a: 3, n: 1n }, { k: "x", a: 2, n: 2n }, { k: "y", a: 1, n: 1n }],
    },
    { sql: "a", behind: "WHERE row_number() = 1", fails: "E216" },
  ],
  stage: { kind: "row_number" },
});
