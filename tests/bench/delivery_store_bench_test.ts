/**
 * The benchmark of the delivery store at a small size: what goes in comes out, and a commit writes few pages.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { measureDelivery } from "./delivery_store_bench.ts";

test("the benchmark of durable delivery gets the same messages as ever, and a commit writes few pages", async () => {
  const figures = await measureDelivery(2000, [20]);
  const digests = figures.map(({ name, durability, digest }) => [`${name}, ${durability}`, digest]);
  assert.deepEqual(Object.fromEntries(digests), {
    "outbox: append, take, delete, process": "f5c70f224401",
    "outbox: append, take, delete, power": "396d3706d43f",
    "outbox of keys: append, take, delete, process": "f5c70f224401",
    "outbox of keys: append, take, delete, power": "396d3706d43f",
    "outbox: each message of another rule, process": "83a5bad60cbd",
    "outbox: each message of another rule, power": "e0c8a63cc29c",
    "outbox: append only, process": "8176f0ac0ace",
    "outbox: append only, power": "d9f257339976",
    "log: append, a checkpoint every 10,000, process": "7a133077e13d",
    "log: append, a checkpoint every 10,000, power": "5db335570ab9",
    "log, position and outbox, process": "32f8bc9c381a",
    "log, position and outbox, power": "d7a5c88821c3",
  });
  const page = 4096 + 24;
  for (const { name, group, bytesWritten } of figures) {
    if (bytesWritten === undefined || !/append, take, delete/.test(name)) continue;
    // Table and, with keys, index; the rest is for their growth.
    assert.ok(bytesWritten * group < page * 4, `${name}: ${bytesWritten * group} bytes a commit`);
  }
});
