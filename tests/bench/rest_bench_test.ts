/**
 * The benchmark of the action `rest` at a small size: every row arrives once, in order.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sourceCommand } from "./restart_bench.ts";
import { measureRest } from "./rest_bench.ts";

const cases = [
  { title: "single", qos: 0, rows: 300, requests: [300, 300], action: { sendSingle: true } },
  // A rule that has read all of its file sends what has come so far, and what comes then, without waiting for full batches.
  { title: "batched", qos: 1, rows: 5000, requests: [5, 20], action: { batchSize: 1000 } },
];

for (const { requests, ...options } of cases) {
  test(`the benchmark of rest sends every row once and in order, ${options.title}`, async () => {
    const figure = await measureRest(sourceCommand(), options);
    assert.deepEqual([figure.rows, figure.wrong], [options.rows, 0]);
    const [least, most] = requests;
    assert.ok(figure.requests >= least! && figure.requests <= most!, `${figure.requests} requests`);
    assert.ok(figure.requestsPerSecond > 0);
  });
}
