import assert from "node:assert/strict";
import { test } from "node:test";
import { recordingLogger } from "../../connector/conformance.ts";
import type { LogFields } from "../../connector/context.ts";
import { MemoryDelivery } from "../../store/memory_delivery.ts";
import { StoreError } from "../../store/store_error.ts";
import { giveUpLeftBehind, type KeptNow } from "./left_behind.ts";

function messages(...sequences: number[]) {
  return sequences.map((sequence) => ({ sequence, payload: "ab", createdMs: 0 }));
}

/** Two actions, the second with a dead letter, and state. */
async function withMessages(): Promise<MemoryDelivery> {
  const delivery = new MemoryDelivery();
  await delivery.commit({
    rule: "r",
    log: [{ sequence: 1, payload: "batch" }, { sequence: 2, payload: "batch" }],
    positions: new Map([["s", "2"]]),
    checkpoint: { plan: "p", sequence: 1, timeMs: 0, state: "s" },
    outboxes: [
      { action: "0_mqtt", append: messages(1, 2) },
      { action: "1_rest", append: messages(3, 4, 5) },
      { action: "2_log", append: messages(6) },
    ],
  });
  delivery.outbox("r", "1_rest").take({ rowsMax: 1, nowMs: 0 });
  await delivery.commit({
    rule: "r",
    outboxes: [{ action: "1_rest", buried: [{ sequence: 3, reason: "refused", diedMs: 0 }] }],
  });
  delivery.outbox("r", "2_log").take({ rowsMax: 1, nowMs: 0 });
  await delivery.commit({ rule: "r", outboxes: [{ action: "2_log", delivered: [6] }] });
  return delivery;
}

function giveUp(delivery: MemoryDelivery, now: KeptNow) {
  const logged: LogFields[] = [];
  return { givenUp: giveUpLeftBehind(delivery, "r", now, recordingLogger(logged)), logged };
}

test("giveUpLeftBehind() keeps what the rule still uses", async () => {
  const delivery = await withMessages();
  const { givenUp, logged } = giveUp(delivery, { actions: ["0_mqtt", "1_rest", "2_log", "3_new"], state: true });
  assert.deepEqual([givenUp, logged], [[], []]);
  assert.deepEqual(delivery.actions("r"), ["0_mqtt", "1_rest", "2_log"]);
  assert.deepEqual([...delivery.log("r")].length, 1);
});

test("giveUpLeftBehind() gives up messages of actions that are gone, and tells of those that had some", async () => {
  const delivery = await withMessages();
  const before = delivery.incarnation("r");
  const { givenUp, logged } = giveUp(delivery, { actions: ["0_mqtt"], state: true });
  assert.deepEqual(givenUp, [{ action: "1_rest", rows: 2, bytes: 4, deadRows: 1 }]);
  assert.deepEqual(logged, [{ action: "1_rest", count: 2, bytes: 4, deadLetters: 1 }]);
  assert.deepEqual(delivery.actions("r"), ["0_mqtt"]);
  assert.deepEqual(delivery.outbox("r", "0_mqtt").counts().rows, 2);
  assert.deepEqual(delivery.checkpoint("r")?.sequence, 1);
  assert.equal(delivery.incarnation("r"), before, "ids go on");
});

test("giveUpLeftBehind() forgets a rule that promises nothing any more", async () => {
  const delivery = await withMessages();
  const { givenUp } = giveUp(delivery, { actions: [], state: false });
  assert.deepEqual(givenUp.map(({ action }) => action), ["0_mqtt", "1_rest"]);
  assert.deepEqual(delivery.rules(), []);
  assert.equal(delivery.positions("r").size, 0);
});

test("giveUpLeftBehind() forgets the state alone of a rule that keeps outboxes without it, once", async () => {
  const delivery = await withMessages();
  let commits = 0;
  const commit = delivery.commit.bind(delivery);
  delivery.commit = (unit) => {
    commits++;
    return commit(unit);
  };
  for (let start = 0; start < 2; start++) giveUp(delivery, { actions: ["0_mqtt", "1_rest", "2_log"], state: false });
  assert.equal(commits, 1);
  assert.deepEqual([...delivery.log("r")], []);
  assert.equal(delivery.checkpoint("r"), undefined);
  assert.equal(delivery.positions("r").size, 0);
  assert.equal(delivery.outbox("r", "0_mqtt").counts().rows, 2);
});

test("giveUpLeftBehind() asks nothing of a store that no rule uses", () => {
  const delivery = new MemoryDelivery();
  assert.deepEqual(giveUp(delivery, { actions: [], state: false }).givenUp, []);
  assert.equal(delivery.isInUse(), false);
});

test("giveUpLeftBehind() leaves for another start what cannot be removed now", async () => {
  const delivery = await withMessages();
  delivery.removeOutbox = () => {
    throw new StoreError("remove an outbox from the store", new Error("disk I/O error"));
  };
  const { givenUp, logged } = giveUp(delivery, { actions: ["0_mqtt"], state: true });
  assert.deepEqual(givenUp, []);
  assert.match(String(logged[0]?.reason), /disk I\/O error/);
  assert.deepEqual(delivery.actions("r"), ["0_mqtt", "1_rest", "2_log"]);
});
