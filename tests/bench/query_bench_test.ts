/**
 * The benchmark of `weir query` at a small size: it runs, and prints what it printed.
 * @module
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { measureQueries, sourceCommand } from "./query_bench.ts";

test("the benchmark of weir query gets the same rows as ever", async () => {
  const figures = await measureQueries(sourceCommand(), 2000, 1);
  assert.deepEqual(Object.fromEntries(figures.map(({ name, digest }) => [name, digest])), {
    "filter and project": "86fc05c424c8",
    "all columns of all rows": "e9c8fa4c4316",
    "tumbling 10 s, avg count by key": "c0b0f24b32d3",
    "lag by key": "23b08acbef90",
  });
});
