/**
 * What the outboxes of every delivery store must do: order, limits, dead letters.
 * @module
 */
import assert from "node:assert/strict";
import {
  at,
  deliveryTestOf,
  entry,
  logged,
  type MakeStore,
  message,
  messages,
  take,
  takeAll,
} from "./delivery_fixture.ts";
import { OutboxFullError } from "./delivery_store.ts";

/** Registers the cases for one kind of store. */
export function outboxCases(name: string, make: MakeStore): void {
  const deliveryTest = deliveryTestOf(name, make);

  // ---- taking

  deliveryTest("messages are taken once, in order, and go when delivered; sequences live on", async (store) => {
    const outbox = store.outbox("r", "a");
    await at(store)({ append: [message(1), message(2), message(4), message(8), message(9)] });
    assert.deepEqual(take(outbox, { rowsMax: 2 }), [1, 2]);
    assert.deepEqual(take(outbox, { rowsMax: 2 }), [4, 8]);
    assert.equal(outbox.counts().takenRows, 4);
    await at(store)({ delivered: [8, 2, 4] });
    assert.deepEqual(outbox.counts(), { rows: 2, bytes: 4, takenRows: 1, deadRows: 0, deadBytes: 0 });
    assert.deepEqual(take(outbox), [9]);
    assert.deepEqual(take(outbox), []);
    await at(store)({ delivered: [1, 9] });
    assert.deepEqual(outbox.counts(), { rows: 0, bytes: 0, takenRows: 0, deadRows: 0, deadBytes: 0 });
    assert.equal(outbox.lastSequence, 9);
    await assert.rejects(at(store)({ append: [message(9)] }), RangeError);
    await at(store)({ append: [message(10)] });
    assert.deepEqual(take(outbox), [10]);
  });

  deliveryTest("what a unit frees and appends is one step", async (store) => {
    const outbox = store.outbox("r", "a", { rowsMax: 2 });
    await at(store)({ append: messages(1, 2) });
    assert.deepEqual(take(outbox), [1, 2]);
    await at(store)({ delivered: [1, 2], append: messages(3, 4) });
    assert.deepEqual(take(outbox), [3, 4]);
  });

  deliveryTest("take() stops at its bytes, after one message at least", async (store) => {
    const outbox = store.outbox("r", "a");
    await at(store)({ append: messages(1, 4, { payload: "x".repeat(100) }) });
    assert.deepEqual(take(outbox, { bytesMax: 10 }), [1]);
    assert.deepEqual(take(outbox, { bytesMax: 250 }), [2, 3]);
    assert.deepEqual(take(outbox, { rowsMax: 0 }), []);
    assert.deepEqual(take(outbox), [4]);
  });

  deliveryTest("release() gives back what is in no unit, in its old place", async (store) => {
    const outbox = store.outbox("r", "a");
    await at(store)({ append: messages(1, 6) });
    assert.deepEqual(take(outbox, { rowsMax: 5 }), [1, 2, 3, 4, 5]);
    outbox.release([3]);
    assert.deepEqual(take(outbox, { rowsMax: 1 }), [3]);
    const promise = at(store)({ delivered: [2, 4] });
    outbox.release();
    await promise;
    assert.deepEqual(take(outbox), [1, 3, 5, 6]);
    await at(store)({ delivered: [1, 5] });
    outbox.release();
    assert.deepEqual(take(outbox), [3, 6]);
    await at(store)({ delivered: [3, 6] });
    assert.equal(outbox.counts().rows, 0);
  });

  deliveryTest("with order queue, a message that waits holds up all behind it", async (store) => {
    const outbox = store.outbox("r", "a");
    await at(store)({ append: [1, 2, 3].map((n) => message(n, { key: `k${n}` })) });
    assert.deepEqual(take(outbox, { rowsMax: 1 }), [1]);
    await at(store)({ retried: [{ sequence: 1, atMs: 50 }] });
    assert.deepEqual(outbox.take({ rowsMax: 9, nowMs: 49 }), { messages: [], waitUntilMs: 50 });
    const { messages } = outbox.take({ rowsMax: 9, nowMs: 50 });
    assert.deepEqual(messages.map(({ sequence, attempts }) => [sequence, attempts]), [[1, 1], [2, 0], [3, 0]]);
  });

  deliveryTest("with order key, a message that waits holds up its key", async (store) => {
    const outbox = store.outbox("r", "a", { order: "key" });
    const keys = ["p", "q", "p", "", "q", "p"];
    await at(store)({ append: keys.map((key, i) => message(i + 1, { key })) });
    assert.deepEqual(take(outbox, { rowsMax: 1 }), [1]);
    await at(store)({ retried: [{ sequence: 1, atMs: 50 }] });
    assert.deepEqual(take(outbox, { rowsMax: 2, nowMs: 10 }), [2, 4]);
    const { messages, waitUntilMs } = outbox.take({ rowsMax: 9, nowMs: 20 });
    assert.deepEqual(messages.map(({ sequence, key }) => [sequence, key]), [[5, "q"]]);
    assert.equal(waitUntilMs, 50);
    assert.deepEqual(take(outbox, { nowMs: 60 }), [1, 3, 6]);
    await at(store)({ delivered: [1, 2, 3, 4, 5, 6] });
    assert.equal(outbox.counts().rows, 0);
  });

  deliveryTest("with order key, other keys go on however many messages of one stand in front", async (store) => {
    const outbox = store.outbox("r", "a", { order: "key" });
    await at(store)({ append: messages(1, 3000, { key: "stuck" }) });
    await at(store)({
      append: [message(3001, { key: "a" }), message(3002, { key: "z" }), message(3003, { key: "a" })],
    });
    assert.deepEqual(take(outbox, { rowsMax: 1 }), [1]);
    await at(store)({ retried: [{ sequence: 1, atMs: 1000 }] });
    const found = takeAll(outbox, 0);
    assert.deepEqual(found.sort(), [3001, 3002, 3003]);
    await at(store)({ delivered: found });
    assert.deepEqual(take(outbox), []);
    assert.equal(take(outbox, { nowMs: 1000, rowsMax: 5000 }).length, 3000);
  });

  deliveryTest("with order key, many stuck keys hide no other", async (store) => {
    const outbox = store.outbox("r", "a", { order: "key" });
    const stuck = Array.from({ length: 400 }, (_, k) => messages(k * 4 + 1, k * 4 + 4, { key: `k${k}` })).flat();
    await at(store)({ append: [...stuck, message(9001, { key: "k399x" })] });
    const heads = stuck.filter((_, i) => i % 4 === 0).map(({ sequence }) => sequence);
    assert.equal(take(outbox, { rowsMax: 1600 }).length, 1600);
    outbox.release();
    take(outbox, { rowsMax: 1600 });
    await at(store)({ retried: heads.map((sequence) => ({ sequence, atMs: 70 })) });
    outbox.release();
    // Wherever the last look ended, the next one finds it.
    for (let n = 0; n < 4; n++) {
      assert.deepEqual(takeAll(outbox, 1), [9001]);
      outbox.release();
    }
  });

  deliveryTest("attempts count up in memory, whatever of them is written", async (store) => {
    const outbox = store.outbox("r", "a");
    await at(store)({ append: [message(1)] });
    for (let attempts = 0; attempts < 10; attempts++) {
      const [taken] = outbox.take({ rowsMax: 1, nowMs: attempts }).messages;
      assert.equal(taken!.attempts, attempts);
      if (attempts % 3 === 2) outbox.release();
      if (attempts % 3 === 2) {
        assert.equal(outbox.take({ rowsMax: 1, nowMs: attempts }).messages[0]!.attempts, attempts);
      }
      await at(store)({ retried: [{ sequence: 1, atMs: attempts % 2 === 0 ? 0 : attempts + 1 }] });
    }
  });

  deliveryTest("the resend lane is taken by itself and shares limits and counts", async (store) => {
    const outbox = store.outbox("r", "a", { rowsMax: 5 });
    await at(store)({ append: messages(1, 5) });
    assert.deepEqual(take(outbox, { rowsMax: 4 }), [1, 2, 3, 4]);
    const retried = [3, 1].map((sequence) => ({ sequence, atMs: 0, lane: "resend" as const }));
    await at(store)({ retried, delivered: [2] });
    assert.deepEqual(outbox.counts(), { rows: 4, bytes: 8, takenRows: 1, deadRows: 0, deadBytes: 0 });
    assert.equal(outbox.oldestMs(), 1001);
    await assert.rejects(at(store)({ append: messages(6, 7) }), OutboxFullError);
    const resent = outbox.take({ rowsMax: 9, nowMs: 0, lane: "resend" }).messages;
    assert.deepEqual(resent.map(({ sequence, lane, attempts }) => [sequence, lane, attempts]), [
      [1, "resend", 1],
      [3, "resend", 1],
    ]);
    assert.deepEqual(take(outbox), [5]);
    await at(store)({ retried: [{ sequence: 1, atMs: 9 }], delivered: [3, 4, 5] });
    assert.deepEqual(take(outbox, { lane: "resend" }), []);
    assert.deepEqual(take(outbox, { lane: "resend", nowMs: 9 }), [1]);
    await at(store)({ retried: [{ sequence: 1, atMs: 0, lane: "live" }] });
    assert.deepEqual(outbox.take({ rowsMax: 1, nowMs: 0 }).messages[0]!.attempts, 3);
    await at(store)({ delivered: [1] });
    assert.equal(outbox.counts().rows, 0);
  });

  deliveryTest("a message moved between others is not delivered with them", async (store) => {
    const outbox = store.outbox("r", "a");
    await at(store)({ append: messages(1, 5) });
    take(outbox);
    const to = (sequence: number) => ({ sequence, atMs: 0, lane: "resend" as const });
    await at(store)({ retried: [to(2), to(4)] });
    assert.deepEqual(take(outbox, { lane: "resend" }), [2, 4]);
    await at(store)({ retried: [to(3)] });
    await at(store)({ delivered: [1, 5, 2, 4] });
    assert.equal(outbox.counts().rows, 1);
    assert.deepEqual(take(outbox, { lane: "resend" }), [3]);
  });

  // ---- limits

  deliveryTest("an outbox that blocks refuses a whole unit, and tells when there is room", async (store) => {
    const outbox = store.outbox("r", "a", { rowsMax: 3, bytesMax: 100 });
    await at(store)({ append: messages(1, 2) });
    const refused = store.commit({
      rule: "r",
      log: [entry(1)],
      outboxes: [{ action: "b", append: [message(1)] }, { action: "a", append: messages(3, 4) }],
    });
    const good = store.commit({ rule: "other", log: [entry(1)] });
    await assert.rejects(refused, (error: unknown) => {
      assert.ok(error instanceof OutboxFullError);
      assert.deepEqual([error.rule, error.action], ["r", "a"]);
      return true;
    });
    await good;
    assert.deepEqual(logged(store), []);
    assert.deepEqual(take(store.outbox("r", "b")), []);
    assert.equal(outbox.lastSequence, 2);
    let resolved = false;
    const room = outbox.whenRoom(2, 4).then(() => resolved = true);
    await at(store)({ append: [message(3)] });
    assert.deepEqual(take(outbox), [1, 2, 3]);
    await at(store)({ delivered: [1] });
    assert.equal(resolved, false);
    await at(store)({ buried: [{ sequence: 2, reason: "no", diedMs: 0 }] });
    await room;
    await assert.rejects(at(store)({ append: [message(4, { payload: "x".repeat(99) })] }), OutboxFullError);
    await at(store)({ delivered: [3] });
    // Nothing is refused for ever: an empty outbox takes what is larger than its limits.
    await at(store)({ append: messages(5, 9, { payload: "x".repeat(99) }) });
    assert.equal(outbox.counts().rows, 5);
    const waiting = outbox.whenRoom(1, 1);
    store.outbox("r", "a", { rowsMax: 100, bytesMax: 1000 });
    await waiting;
    await store.outbox("r", "a").whenRoom(1, 1);
  });

  deliveryTest("units of one turn share the room", async (store) => {
    store.outbox("r", "a", { rowsMax: 2 });
    const results = await Promise.allSettled([1, 2, 3].map((n) => at(store)({ append: [message(n)] })));
    assert.deepEqual(results.map(({ status }) => status), ["fulfilled", "fulfilled", "rejected"]);
    assert.deepEqual(take(store.outbox("r", "a")), [1, 2]);
  });

  deliveryTest("dropOldest drops from the front, never what is taken, and tells", async (store) => {
    const outbox = store.outbox("r", "a", { onFull: "dropOldest", rowsMax: 4, bytesMax: 50 });
    await at(store)({ append: messages(1, 4) });
    assert.deepEqual(take(outbox, { rowsMax: 1 }), [1]);
    const { dropped } = await at(store)({ append: messages(5, 6) });
    assert.deepEqual(dropped, [{ action: "a", reason: "full", rows: 2, bytes: 4 }]);
    assert.deepEqual(take(outbox), [4, 5, 6]);
    await at(store)({ delivered: [1, 5], retried: [{ sequence: 4, atMs: 0, lane: "resend" }] });
    outbox.release();
    assert.deepEqual((await at(store)({ append: [message(7, { payload: "x".repeat(49) })] })).dropped, [
      { action: "a", reason: "full", rows: 2, bytes: 4 },
    ]);
    assert.deepEqual(take(outbox), [7]);
    outbox.release();
    // One message stays, however large.
    assert.deepEqual((await at(store)({ append: [message(8, { payload: "x".repeat(99) })] })).dropped, [
      { action: "a", reason: "full", rows: 1, bytes: 49 },
    ]);
    assert.deepEqual(outbox.counts(), { rows: 1, bytes: 99, takenRows: 0, deadRows: 0, deadBytes: 0 });
    // More than the limit at once, over several pages of the table.
    store.outbox("r", "a", { bytesMax: 1e9, rowsMax: 10 });
    assert.equal((await at(store)({ append: messages(100, 1099) })).dropped[0]!.rows, 991);
    assert.deepEqual(take(outbox), Array.from({ length: 10 }, (_, i) => 1090 + i));
  });

  deliveryTest("dropNewest keeps what was there, and tells", async (store) => {
    const outbox = store.outbox("r", "a", { onFull: "dropNewest", rowsMax: 3, bytesMax: 20 });
    assert.deepEqual((await at(store)({ append: messages(1, 5) })).dropped, [
      { action: "a", reason: "full", rows: 2, bytes: 4 },
    ]);
    assert.equal(outbox.lastSequence, 5);
    assert.deepEqual(take(outbox), [1, 2, 3]);
    await at(store)({ delivered: [1] });
    const large = message(6, { payload: "x".repeat(99) });
    assert.deepEqual((await at(store)({ append: [large, message(7)] })).dropped, [
      { action: "a", reason: "full", rows: 2, bytes: 101 },
    ]);
    assert.equal(outbox.counts().rows, 2);
  });

  deliveryTest("messages that are too old go when told the time, but not taken ones", async (store) => {
    const outbox = store.outbox("r", "a", { ageMaxMs: 100 });
    await at(store)({ append: [10, 20, 30, 200].map((n) => message(n, { createdMs: n })) });
    assert.equal(outbox.oldestMs(), 10);
    assert.deepEqual(take(outbox, { rowsMax: 1 }), [10]);
    assert.deepEqual(await at(store)({ expiredAtMs: 110 }), { dropped: [] });
    assert.deepEqual((await at(store)({ expiredAtMs: 130 })).dropped, [
      { action: "a", reason: "age", rows: 1, bytes: 3 },
    ]);
    outbox.release();
    assert.deepEqual((await at(store)({ expiredAtMs: 131 })).dropped[0]!.rows, 2);
    assert.deepEqual(take(outbox), [200]);
    store.outbox("r", "a", { ageMaxMs: undefined });
    outbox.release();
    assert.deepEqual(await at(store)({ expiredAtMs: 9999 }), { dropped: [] });
  });

  // ---- dead letters

  deliveryTest("dead letters are listed, replayed to their place and cleared", async (store) => {
    const outbox = store.outbox("r", "a", { order: "key" });
    await at(store)({ append: [1, 2, 3, 4, 5].map((n) => message(n, { key: "k" })) });
    take(outbox, { rowsMax: 4 });
    await at(store)({ buried: [4, 2, 1].map((sequence) => ({ sequence, reason: `r${sequence}`, diedMs: 7 })) });
    assert.deepEqual(outbox.counts(), { rows: 2, bytes: 4, takenRows: 1, deadRows: 3, deadBytes: 6 });
    const all = outbox.deadLetters({ limit: 10 });
    assert.deepEqual(all.map(({ sequence }) => sequence), [1, 2, 4]);
    assert.deepEqual(all[1], { ...message(2, { key: "k" }), attempts: 1, reason: "r2", diedMs: 7 });
    assert.deepEqual(outbox.deadLetters({ after: 1, limit: 1 }).map(({ sequence }) => sequence), [2]);
    assert.deepEqual(outbox.deadLetter(2), all[1]);
    assert.equal(outbox.deadLetter(3), undefined);

    await at(store)({ replayed: [2, 3, 99] });
    assert.deepEqual(outbox.counts(), { rows: 3, bytes: 6, takenRows: 1, deadRows: 2, deadBytes: 4 });
    assert.deepEqual(take(outbox), [2, 5]);
    await at(store)({ cleared: [1, 77], delivered: [3, 5] });
    assert.deepEqual(outbox.deadLetters({ limit: 9 }).map(({ sequence }) => sequence), [4]);
    assert.equal(outbox.counts().rows, 1);
    await at(store)({ replayed: "all" });
    assert.deepEqual(outbox.counts(), { rows: 2, bytes: 4, takenRows: 1, deadRows: 0, deadBytes: 0 });
    assert.equal(outbox.take({ rowsMax: 1, nowMs: 0 }).messages[0]!.attempts, 0);
    await at(store)({ buried: [{ sequence: 4, reason: "x", diedMs: 1 }] });
    await at(store)({ cleared: "all" });
    assert.deepEqual(outbox.counts(), { rows: 1, bytes: 2, takenRows: 1, deadRows: 0, deadBytes: 0 });
  });

  deliveryTest("a replayed letter is not delivered with those around it", async (store) => {
    const outbox = store.outbox("r", "a");
    await at(store)({ append: messages(1, 3) });
    take(outbox);
    await at(store)({ buried: [{ sequence: 2, reason: "x", diedMs: 1 }] });
    outbox.release();
    assert.deepEqual(take(outbox), [1, 3]);
    await at(store)({ replayed: [2] });
    await at(store)({ delivered: [1, 3] });
    assert.deepEqual(take(outbox), [2]);
  });

  deliveryTest("dead letters are bounded by rows and bytes; the oldest go", async (store) => {
    const outbox = store.outbox("r", "a", { deadRowsMax: 2, deadBytesMax: 10 });
    await at(store)({ append: [...messages(1, 3), message(4, { payload: "x".repeat(9) })] });
    take(outbox);
    const bury = (...sequences: number[]) =>
      at(store)({ buried: sequences.map((sequence) => ({ sequence, reason: "x", diedMs: 1 })) });
    assert.deepEqual(await bury(1), { dropped: [] });
    assert.deepEqual((await bury(2, 3)).dropped, [{ action: "a", reason: "dead", rows: 1, bytes: 2 }]);
    assert.deepEqual((await bury(4)).dropped, [{ action: "a", reason: "dead", rows: 2, bytes: 4 }]);
    assert.deepEqual(outbox.counts(), { rows: 0, bytes: 0, takenRows: 0, deadRows: 1, deadBytes: 9 });
  });
}
