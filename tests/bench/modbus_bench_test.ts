/**
 * The benchmark of Modbus at a small size: all rows come, and all values are those of the slave.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { measureModbus } from "./modbus_bench.ts";
import { sourceCommand } from "./restart_bench.ts";

test("the benchmark of Modbus reads every value of every unit", async () => {
  const load = { command: sourceCommand(), seconds: 2, tags: 40, units: 2, intervalMs: 200 };
  const figures = await measureModbus(load, 0);
  assert.equal(figures.valuesMissing, 0);
  // Twenty on an idle machine.
  assert.ok(figures.rows >= 4, `${figures.rows} rows`);
  assert.ok(figures.cpuPercent > 0);
});
