/**
 * The benchmark of a coil that follows a register, at a small size.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { measureSwitching } from "./modbus_switch_bench.ts";
import { sourceCommand } from "./restart_bench.ts";

test("the benchmark of Modbus switches the coil after each change", async () => {
  const options = { command: sourceCommand(), changes: 3, intervalMs: 100, dead: 1, timeoutMs: 100 };
  const taken = await measureSwitching(options);
  assert.equal(taken.length, 3);
  for (const ms of taken) assert.ok(ms > 0 && ms < 60_000, `${ms} ms`);
});
