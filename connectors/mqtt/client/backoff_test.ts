import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "./backoff.ts";

test("Backoff doubles to its maximum, and begins again after reset()", () => {
  const backoff = new Backoff(100, 10_000, () => 0.999999);
  const delays = Array.from({ length: 9 }, () => backoff.next());
  assert.deepEqual(delays, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  backoff.reset();
  assert.equal(backoff.next(), 100);
});

test("Backoff takes off up to half by chance", () => {
  assert.equal(new Backoff(100, 10_000, () => 0).next(), 50);
  assert.equal(new Backoff(100, 10_000, () => 0).longest(), 5000);
});
