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
    "hopping 60 s every 1 s, sum max": "96922104c866",
    "hopping 60 s every 1 s, sum max by key": "e9f480d198ac",
    "sliding 60 s, avg": "57f8f4d1bc15",
    "sliding 60 s, avg by key at alarms": "f37542f1c416",
    "session of 5 s, by key": "eff59dd7342a",
    "join of two streams in 2 s": "a5b36931beed",
    "lookup join": "61191ae14772",
    "compile 50 OR terms": "e0c640c12955",
    "compile 500 OR terms": "6ccbd2afef28",
  });
});

test("the SQL benchmark measures state by key", () => {
  const [figure] = measureCases({ rows: 4000, rounds: 1 }, "lag by key");
  assert.ok(figure!.stateBytesPerKey > 10 && figure!.stateBytesPerKey < 500, String(figure!.stateBytesPerKey));
});
