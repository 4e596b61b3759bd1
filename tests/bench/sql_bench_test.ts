/**
 * The SQL benchmark at a small size: it runs, and gives what it gave.
 * @module
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { measureCases, measureCompilations } from "./sql_bench.ts";

test("the SQL benchmark computes the same results as ever", () => {
  const figures = [...measureCases({ rows: 4000, rounds: 1 }), ...measureCompilations([50, 500], 1)];
  const digests = Object.fromEntries(figures.map(({ name, digest }) => [name, digest]));
  assert.deepEqual(digests, {
    "filter and project": "ce9189b17323",
    "project expressions": "aa4573c4ae0f",
    "functions of text and numbers": "de470f474a81",
    "tumbling 10 s, count by key": "6094d4c00839",
    "tumbling 10 s, avg max min by key": "9b67b5feba40",
    "lag by key": "2937d86bcf89",
    "changes by key": "4b5917994ce4",
    "compile 50 OR terms": "e0c640c12955",
    "compile 500 OR terms": "6ccbd2afef28",
  });
});

test("the SQL benchmark measures state by key", () => {
  const [figure] = measureCases({ rows: 4000, rounds: 1 }, "lag by key");
  assert.ok(figure!.stateBytesPerKey > 10 && figure!.stateBytesPerKey < 500, String(figure!.stateBytesPerKey));
});
