import assert from "node:assert/strict";
import { test } from "node:test";
import { HandClock, settled } from "../../../tests/hand_clock.ts";
import { recordingLogger } from "../../connector/conformance.ts";
import { MemoryDelivery } from "../../store/memory_delivery.ts";
import { OutboxQueue } from "./outbox_queue.ts";
import { RuleJournal } from "./rule_journal.ts";

function setUp() {
  const delivery = new MemoryDelivery();
  const clock = new HandClock();
  const log = recordingLogger([]);
  const outbox = delivery.outbox("r", "0_nop");
  const journal = new RuleJournal({
    rule: "r",
    delivery,
    durability: "process",
    clock,
    log,
    onBroken: (error) => assert.fail(String(error)),
  });
  const queue = new OutboxQueue({
    action: "0_nop",
    outbox,
    journal,
    incarnation: "i",
    accepts: "payloads",
    limits: {},
    onDropped: () => assert.fail("nothing is dropped"),
    onUnreadable: () => assert.fail("all can be read"),
    clock,
    log,
  });
  const add = (...messages: string[]) => {
    queue.add(messages);
    journal.endBatch();
  };
  return { queue, outbox, add };
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await settled();
}

for (const left of [1, 2, 3]) {
  test(`an OutboxQueue is not idle while messages wait, as many as have just gone: ${left}`, async () => {
    const { queue, outbox, add } = setUp();
    add(...Array.from({ length: 2 * left }, (_, i) => `message ${i}`));
    await turns();
    let isIdle = false;
    void queue.idle().then(() => isIdle = true);
    queue.sent(queue.take(left)!);
    await turns();
    assert.equal(outbox.counts().rows, left);
    assert.equal(queue.length, left);
    assert.equal(isIdle, false);
    // What comes in the transaction of what goes.
    queue.sent(queue.take(left)!);
    add(...Array.from({ length: left }, (_, i) => `more ${i}`));
    await turns();
    assert.equal(isIdle, false);
    queue.sent(queue.take(left)!);
    await turns();
    assert.equal(isIdle, true);
    assert.equal(queue.length, 0);
  });
}

test("an OutboxQueue tells how many there are to take", async () => {
  const { queue, add } = setUp();
  add("a", "b", "c");
  assert.equal(queue.available, 0, "nothing is committed yet");
  await turns();
  assert.equal(queue.available, 3);
  const sending = queue.take(2)!;
  assert.equal(queue.available, 1);
  queue.sent(sending);
  assert.equal(queue.available, 1, "what is done with is not there again");
  await turns();
  assert.equal(queue.available, 1);
});
