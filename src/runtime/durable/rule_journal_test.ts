import assert from "node:assert/strict";
import { test } from "node:test";
import { HandClock, settled } from "../../../tests/hand_clock.ts";
import { recordingLogger } from "../../connector/conformance.ts";
import type { Committed, DeliveryUnit } from "../../store/delivery_store.ts";
import { MemoryDelivery } from "../../store/memory_delivery.ts";
import { RuleJournal } from "./rule_journal.ts";

class Counting extends MemoryDelivery {
  commits = 0;

  override commit(unit: DeliveryUnit): Promise<Committed> {
    this.commits++;
    return super.commit(unit);
  }
}

test("a unit that finds its outbox full is tried again when there is room in bytes, not in characters", async () => {
  const delivery = new Counting();
  const outbox = delivery.outbox("r", "0_nop", { bytesMax: 100 });
  const journal = new RuleJournal({
    rule: "r",
    delivery,
    durability: "process",
    clock: new HandClock(),
    log: recordingLogger([]),
    onBroken: (error) => assert.fail(String(error)),
  });
  // 90 characters of two bytes: with the ten that wait, they fit as characters only.
  journal.append("0_nop", ["x".repeat(10)]);
  journal.endBatch();
  await settled();
  journal.append("0_nop", ["ä".repeat(90)]);
  journal.endBatch();
  for (let turn = 0; turn < 20; turn++) await settled();
  assert.equal(delivery.commits, 2);
  assert.equal(journal.trouble, "the outbox of action 0_nop is full");
  assert.ok(journal.blocked);
  const [first] = outbox.take({ rowsMax: 1, nowMs: 0 }).messages;
  void journal.settle({ action: "0_nop", delivered: [first!.sequence] });
  for (let turn = 0; turn < 20; turn++) await settled();
  assert.equal(outbox.counts().rows, 1);
  assert.equal(journal.trouble, undefined);
  assert.ok(!journal.blocked);
});
