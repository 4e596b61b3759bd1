import assert from "node:assert/strict";
import { test } from "node:test";
import { Recency, type RecencyItem } from "./recency.ts";

interface Item extends RecencyItem {
  readonly n: number;
}

function drained(order: Recency<Item>): number[] {
  const found: number[] = [];
  for (let item = order.oldest; item !== undefined; item = order.oldest) {
    found.push(item.n);
    order.remove(item);
  }
  return found;
}

test("a recency order gives the oldest first, after additions, removals and touches", () => {
  const order = new Recency<Item>();
  const items: Item[] = Array.from({ length: 5 }, (_, n) => ({ n }));
  assert.equal(order.oldest, undefined);
  for (const item of items) order.add(item);
  order.remove(items[2]!);
  order.touch(items[0]!);
  order.touch(items[0]!);
  order.remove(items[4]!);
  order.add(items[2]!);
  assert.deepEqual(drained(order), [1, 3, 0, 2]);
  order.add(items[1]!);
  order.touch(items[1]!);
  assert.deepEqual(drained(order), [1]);
});
