/**
 * The SQL benchmark at a small size: it runs, and gives what it gave.
 * @module
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { figures } from "./sql_bench.ts";

test("the SQL benchmark computes the same results as ever", () => {
  const digests = Object.fromEntries(figures(2000, 500, 1).map(({ name, digest }) => [name, digest]));
  assert.deepEqual(digests, {
    "filter and project": "99226e5480b9",
    "project expressions": "074fd82b763e",
    "count by 1000 keys": "e33950fbc1be",
    "three aggregates by 1000 keys": "3a101a254257",
    "filter by 500 OR terms": "d0d5e1051167",
    "compile 50 OR terms": "e77f72f57dbd",
    "compile 500 OR terms": "6726ab554013",
  });
});
