/**
 * The benchmark of the source `httppush` at a small size: every request is answered with 200, and its row arrives.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { measurePush } from "./push_bench.ts";
import { sourceCommand } from "./restart_bench.ts";

for (const qos of [0, 1]) {
  test(`the benchmark of httppush loses nothing, with qos ${qos}`, async () => {
    const figure = await measurePush(sourceCommand(), { seconds: 1, connections: 4, qos });
    assert.equal(figure.wrong, 0);
    assert.ok(figure.requests > 10 && figure.requestsPerSecond > 0);
  });
}
