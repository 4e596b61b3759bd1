import assert from "node:assert/strict";
import { test } from "node:test";
import { HandClock, settled } from "../../tests/hand_clock.ts";
import { NodeMetrics } from "../telemetry/node_metrics.ts";
import { SeededRandom } from "../value/seeded_random.ts";
import { AddressedItem } from "./addressed_item.ts";
import { BatchLane } from "./batch_lane.ts";
import { MemoryQueue } from "./memory_queue.ts";
import type { Item, Sending } from "./send_queue.ts";

function setUp({ size = 3, lingerMs = 0, bound = 1000, merges = true } = {}) {
  const clock = new HandClock();
  const queue = new MemoryQueue(bound, undefined, false);
  const merge = (parts: readonly unknown[]) => `[${parts.join(",")}]`;
  const metrics = new NodeMetrics();
  const lane = new BatchLane(queue, { size, lingerMs, merge: merges ? merge : undefined, metrics, clock });
  return { clock, queue, lane, metrics, add: (...items: Item[]) => queue.add(items, undefined) };
}

function sent(sending: Sending | undefined): unknown[] | undefined {
  return sending?.items.map((item) => item instanceof AddressedItem ? [item.settings.topic, item.body] : item);
}

test("a BatchLane waits for a whole batch, and hands on several at once", () => {
  const { lane, add, queue } = setUp();
  assert.equal(lane.take(), undefined);
  add("1", "2");
  assert.equal(lane.take(), undefined);
  add("3", "4", "5", "6", "7");
  const sending = lane.take()!;
  assert.deepEqual([sent(sending), sending.counts], [["[1,2,3]", "[4,5,6]"], [3, 3]]);
  lane.sent(sending);
  assert.equal(queue.length, 1);
  assert.equal(lane.take(), undefined);
});

test("a BatchLane ends a batch by time, from its first message on", async () => {
  const { lane, add, clock } = setUp({ lingerMs: 100 });
  add("1");
  assert.equal(lane.take(), undefined);
  await clock.advance(60);
  add("2");
  assert.equal(lane.take(), undefined);
  const arrival = lane.arrival();
  await clock.advance(40);
  await arrival;
  assert.deepEqual(sent(lane.take()), ["[1,2]"]);
  assert.equal(clock.waiting, 0);
});

test("a BatchLane takes what was there for no arrival", async () => {
  const { lane, add } = setUp();
  add("1");
  assert.equal(lane.take(), undefined);
  let hasCome = false;
  void lane.arrival().then(() => hasCome = true);
  await settled();
  assert.equal(hasCome, false);
  add("2");
  await settled();
  assert.equal(hasCome, true);
});

test("a BatchLane waits no longer when the queue is full, or the rule ends", () => {
  const full = setUp({ size: 10, bound: 4 });
  full.add("1", "2", "3", "4");
  assert.deepEqual(sent(full.lane.take()), ["[1,2,3,4]"]);
  const ending = setUp();
  ending.add("1");
  assert.equal(ending.lane.take(), undefined);
  ending.lane.hurry();
  assert.deepEqual(sent(ending.lane.take()), ["[1]"]);
  const waiting = setUp({ lingerMs: 60_000 });
  waiting.add("1");
  assert.equal(waiting.lane.take(), undefined);
  assert.equal(waiting.clock.waiting, 1);
  waiting.lane.hurry();
  assert.equal(waiting.clock.waiting, 0, "no timer outlives the rule");
});

test("a BatchLane ends a batch where the settings change", () => {
  const { lane, add } = setUp({ size: 4 });
  const of = (topic: string, body: string) => new AddressedItem(body, { topic });
  add(of("a", "1"), of("a", "2"), of("b", "3"), of("a", "4"));
  const sending = lane.take()!;
  assert.deepEqual(sent(sending), [["a", "[1,2]"], ["b", "[3]"], ["a", "[4]"]]);
  assert.deepEqual(sending.counts, [2, 1, 1]);
});

test("a BatchLane gives a sink that takes rows the messages of a batch one by one", () => {
  const { lane, add } = setUp({ merges: false });
  const rows = [[{ a: 1 }], [{ a: 2 }], [{ a: 3 }], [{ a: 4 }]];
  add(...rows);
  assert.deepEqual(lane.take()!.items, rows.slice(0, 3));
});

test("whatever comes when, a BatchLane loses nothing, keeps the order, and tells the refused ones", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const generator = new SeededRandom(seed);
    const random = () => generator.below(1000) / 1000;
    const pick = (count: number) => Math.floor(random() * count);
    const size = 1 + pick(7);
    const { lane, queue, add } = setUp({ size, bound: 10 + pick(20) });
    const taken: string[] = [];
    let given = 0;
    const drain = () => {
      for (let sending = lane.take(); sending !== undefined; sending = lane.take()) {
        assert.ok(sending.counts!.every((count) => count >= 1 && count <= size), `seed ${seed}`);
        for (const item of sending.items) taken.push(...(item as string).slice(1, -1).split(","));
        lane.sent(sending, random() < 0.2 ? new Map([[0, "no"]]) : undefined);
      }
    };
    for (let step = 0; step < 30; step++) {
      if (!queue.blocked) add(...Array.from({ length: 1 + pick(9) }, () => String(given++)));
      if (random() < 0.6) drain();
    }
    lane.hurry();
    drain();
    assert.deepEqual(taken, Array.from({ length: given }, (_, i) => String(i)), `seed ${seed}`);
    assert.equal(queue.length, 0, `seed ${seed}`);
  }
});
