import assert from "node:assert/strict";
import { test } from "node:test";
import { Delivery } from "./delivery.ts";
import { MemoryQueue } from "./memory_queue.ts";

function setUp(onFull: "block" | "dropOldest" | "dropNewest") {
  const state = { dropped: 0, released: [] as string[] };
  const queue = new MemoryQueue(4, { onFull, onDropped: (count) => state.dropped += count });
  const add = (...items: string[]) => {
    const delivery = new Delivery({}, () => state.released.push(items.join("")));
    queue.add(items, delivery);
    delivery.release();
  };
  return { queue, add, state };
}

test("a MemoryQueue that drops the oldest keeps the newest, and what the sender has", () => {
  const { queue, add, state } = setUp("dropOldest");
  add("a");
  assert.deepEqual(queue.take()!.items, ["a"]);
  add("b", "c");
  add("d", "e", "f");
  assert.deepEqual([queue.length, queue.blocked, state.dropped], [4, false, 2]);
  assert.deepEqual(state.released, ["bc"], "what is dropped need not come again");
  queue.sent({ items: ["a"] });
  assert.deepEqual(queue.take()!.items, ["d", "e", "f"]);
  add("1", "2", "3", "4", "5");
  assert.deepEqual([queue.length, state.dropped], [4, 6]);
  queue.sent({ items: ["d", "e", "f"] });
  assert.deepEqual(queue.take()!.items, ["5"]);
});

test("a MemoryQueue that drops the newest takes what there is room for", () => {
  const { queue, add, state } = setUp("dropNewest");
  add("a", "b", "c");
  add("d", "e");
  add("f");
  assert.deepEqual([queue.length, queue.blocked, state.dropped], [4, false, 2]);
  assert.deepEqual(state.released, ["f"]);
  const sending = queue.take()!;
  assert.deepEqual(sending.items, ["a", "b", "c", "d"]);
  queue.sent(sending);
  assert.deepEqual(state.released, ["f", "abc", "de"]);
});

test("a MemoryQueue that blocks drops nothing", () => {
  const { queue, add, state } = setUp("block");
  add("a", "b", "c", "d", "e");
  assert.deepEqual([queue.length, queue.blocked, state.dropped], [5, true, 0]);
});
