import { any, defineFunction } from "./declare.ts";

export const isnull = defineFunction({
  name: "isnull",
  category: "other",
  returns: "boolean",
  nulls: "sees",
  params: [any("x")],
  doc: "True when `x` is null or the row has no such column. Empty arrays and maps are not null.",
  examples: [
    { sql: "isnull(x)", gives: true },
    { sql: "isnull(x)", rows: [{ x: null }], gives: true },
    { sql: "isnull(x)", rows: [{ x: [] }], gives: false },
    { sql: "isnull()", fails: "E203" },
  ],
  compile: () => (x) => x === null || x === undefined,
});
