/**
 * The benchmark of restarts at a small size: every rule runs again, and the measured ones give output.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { measureRestart, sourceCommand } from "./restart_bench.ts";

test("the benchmark of restarts starts every rule, and the first, middle and last give output", async () => {
  for (const qos of [0, 1] as const) {
    const options = { rules: 40, streams: 4, qos, ownSources: false };
    const [figure] = await measureRestart(sourceCommand(), options, 1);
    assert.equal(figure!.running, 40);
    for (const ms of [figure!.readyMs, ...figure!.outputMs]) assert.ok(ms > 0 && ms < 60_000, `${ms} ms`);
  }
});
