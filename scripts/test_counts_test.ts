import assert from "node:assert/strict";
import { test } from "node:test";
import { bunTestCounts, denoTestCounts } from "./test_counts.ts";

test("denoTestCounts() reads coloured summaries with steps and leaks", () => {
  assert.deepEqual(denoTestCounts("x\n\x1b[0m\x1b[32mok\x1b[0m | 12 passed | 0 failed \x1b[90m(1s)\x1b[0m\n"), {
    passed: 12,
    failed: 0,
  });
  assert.deepEqual(denoTestCounts("FAILED | 3 passed (4 steps) | 2 failed (1 step) (1s)"), { passed: 3, failed: 2 });
  assert.equal(denoTestCounts("error: Module not found"), undefined);
});

test("bunTestCounts() counts errors outside tests as failures", () => {
  assert.deepEqual(bunTestCounts("\n 20 pass\n 1 fail\n 2 errors\nRan 21 tests"), { passed: 20, failed: 3 });
  assert.deepEqual(bunTestCounts("\n 20 pass\n 0 fail\nRan 20 tests"), { passed: 20, failed: 0 });
  assert.equal(bunTestCounts("bun: command not found"), undefined);
});
