import assert from "node:assert/strict";
import { test } from "node:test";
import { nextTurn, RuleWork } from "./rule_work.ts";

function setUp(stateBytes = () => 0) {
  return new RuleWork({ steps: [{ type: "window", operator: { stateBytes } }], stateBytesMax: 1000, batchTimeMax: 50 });
}

test("RuleWork does what it is given, and tells what it cost", () => {
  let bytes = 10;
  const work = setUp(() => bytes);
  let done = 0;
  assert.equal(work.do(5, () => void done++), undefined);
  assert.equal(done, 1);
  assert.deepEqual([work.figures.slowBatches, work.figures.stateBytes, work.broken], [0, 10, false]);
  bytes = 2000;
  assert.match(work.do(10_000, () => {})!.message, /^E513: /);
  const end = performance.now() + 60;
  const problem = work.do(3, () => {
    while (performance.now() < end);
  });
  assert.match(problem!.message, /^E514: A batch of 3 rows took \d+ ms, and batchTimeMax allows 50 ms/);
  assert.ok(work.figures.longestMs >= 60);
  assert.equal(work.broken, false);
});

test("RuleWork is broken by whatever is thrown", () => {
  for (const thrown of [new TypeError("no such thing"), undefined, "a text"]) {
    const work = setUp();
    const problem = work.do(1, () => {
      throw thrown;
    });
    assert.match(problem!.message, /^E515: A step of the rule failed: /);
    assert.equal(problem!.cause, thrown);
    assert.equal(work.broken, true);
  }
});

test("nextTurn() comes behind what waits for the event loop", async () => {
  const order: string[] = [];
  setTimeout(() => order.push("timer"), 0);
  await Promise.resolve().then(() => order.push("microtask"));
  while (!order.includes("timer")) {
    await nextTurn();
    order.push("turn");
  }
  assert.equal(order[0], "microtask");
  assert.ok(order.includes("turn"));
});
