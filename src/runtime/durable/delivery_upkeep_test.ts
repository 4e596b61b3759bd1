import assert from "node:assert/strict";
import { test } from "node:test";
import { HandClock, settled } from "../../../tests/hand_clock.ts";
import { recordingLogger } from "../../connector/conformance.ts";
import type { LogFields } from "../../connector/context.ts";
import { MemoryDelivery } from "../../store/memory_delivery.ts";
import { DeliveryUpkeep } from "./delivery_upkeep.ts";

/** Has so many slices of work, or fails. */
class Busy extends MemoryDelivery {
  slices = 0;
  calls = 0;
  failure: string | undefined;

  override maintain(): boolean {
    this.calls++;
    if (this.failure !== undefined) throw new Error(this.failure);
    if (this.slices > 0) this.slices--;
    return this.slices > 0;
  }
}

function upkeepOf(delivery: Busy) {
  const clock = new HandClock();
  const logged: LogFields[] = [];
  const upkeep = new DeliveryUpkeep(delivery, clock, recordingLogger(logged));
  upkeep.start();
  return { clock, logged, upkeep };
}

test("upkeep waits without a timer until a rule uses the store", async () => {
  const delivery = new Busy();
  const { clock, upkeep } = upkeepOf(delivery);
  await clock.advance(600_000);
  assert.deepEqual([clock.waiting, delivery.calls], [0, 0]);
  delivery.incarnation("r");
  await settled();
  await clock.advance(1000);
  assert.deepEqual([clock.waiting, delivery.calls], [1, 1]);
  upkeep.stop();
  assert.equal(clock.waiting, 0);
});

test("upkeep does a slice a second while there is more, and looks once a minute when there is not", async () => {
  const delivery = new Busy();
  delivery.slices = 5;
  delivery.incarnation("r");
  const { clock, upkeep } = upkeepOf(delivery);
  await settled();
  await clock.advance(5000);
  assert.equal(delivery.calls, 5);
  await clock.advance(59_000);
  assert.equal(delivery.calls, 5);
  await clock.advance(1000);
  assert.equal(delivery.calls, 6);
  upkeep.stop();
});

test("upkeep tells a failure once, and tries again", async () => {
  const delivery = new Busy();
  delivery.failure = "Cannot clear space in the store: the disk is full";
  delivery.incarnation("r");
  const { clock, logged, upkeep } = upkeepOf(delivery);
  await settled();
  await clock.advance(180_000);
  assert.equal(delivery.calls, 3);
  assert.equal(logged.length, 1, JSON.stringify(logged));
  upkeep.stop();
});

test("upkeep that was stopped before anything was used never begins", async () => {
  const delivery = new Busy();
  const { clock, upkeep } = upkeepOf(delivery);
  upkeep.stop();
  delivery.incarnation("r");
  await settled();
  assert.equal(clock.waiting, 0);
});
