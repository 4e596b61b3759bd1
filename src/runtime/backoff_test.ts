import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "./backoff.ts";

test("Backoff doubles from 100 ms up to 10 s, and starts again after a success", () => {
  const backoff = new Backoff(() => 0);
  const waits = Array.from({ length: 9 }, () => backoff.next());
  assert.deepEqual(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  backoff.reset();
  assert.equal(backoff.next(), 100);
});

test("Backoff shortens each wait by up to a quarter", () => {
  const shortest = new Backoff(() => 0.999999);
  for (const full of [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]) {
    const wait = shortest.next();
    assert.ok(wait >= full * 0.75 && wait < full * 0.76, `${wait} of ${full}`);
  }
});
