import assert from "node:assert/strict";
import { test } from "node:test";
import { WorkPace } from "./work_pace.ts";

test("WorkPace makes chunks as large as fit into a few milliseconds", () => {
  const pace = new WorkPace(0);
  assert.ok(pace.chunkRows <= 64);
  for (let i = 0; i < 10; i++) pace.took(pace.chunkRows, pace.chunkRows * 0.1);
  assert.ok(pace.chunkRows >= 20 && pace.chunkRows <= 100, `${pace.chunkRows} rows of 0.1 ms`);
  for (let i = 0; i < 10; i++) pace.took(pace.chunkRows, 0);
  assert.equal(pace.chunkRows, 1000);
  pace.took(1000, 5000);
  assert.equal(pace.chunkRows, 1, "rows got slow: the next chunk is small at once");
});

test("WorkPace counts what was slow, and leaves the chunk as it is where only time went on", () => {
  const pace = new WorkPace(0);
  const before = pace.chunkRows;
  assert.equal(pace.took(0, 150), undefined);
  pace.took(0, 99);
  assert.deepEqual([pace.slowBatches, pace.longestMs, pace.chunkRows], [1, 150, before]);
});

test("WorkPace tells that a chunk took longer than it may, and never does without a limit", () => {
  const pace = new WorkPace(1000);
  assert.equal(pace.took(5, 1000), undefined);
  assert.match(
    pace.took(5, 1001)!.message,
    /^E514: A batch of 5 rows took 1001 ms, and batchTimeMax allows 1000 ms \(/,
  );
  assert.match(pace.took(0, 5000)!.message, /^E514: What came due took 5000 ms/);
  assert.equal(new WorkPace(0).took(1, 1e9), undefined);
});
