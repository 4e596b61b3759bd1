import assert from "node:assert/strict";
import { test } from "node:test";
import { benchTables } from "./tables_bench.ts";

test("the benchmark of tables writes and finds all rows", async () => {
  const figures = await benchTables(["sqlite", "postgres", "mariadb"], 2500);
  const counts = [2500, 2500, 1000, 700, 157];
  assert.deepEqual(figures.map(({ count }) => count), [...counts, ...counts, ...counts]);
});
