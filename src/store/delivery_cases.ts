/**
 * What every delivery store must do. Each implementation's test file runs these cases.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type DeliveryStore,
  type LogEntry,
  type Message,
  type Outbox,
  OutboxFullError,
  type OutboxWork,
  type TakeOptions,
} from "./delivery_store.ts";

export function message(sequence: number, more: Partial<Message> = {}): Message {
  return { sequence, payload: `m${sequence}`, createdMs: 1000 + sequence, ...more };
}

/** Messages with sequences from `first` to `last`. */
export function messages(first: number, last: number, more: Partial<Message> = {}): Message[] {
  return Array.from({ length: last - first + 1 }, (_, i) => message(first + i, more));
}

export function entry(sequence: number): LogEntry {
  return { sequence, payload: `batch ${sequence}` };
}

/** Takes and gives the sequences. */
export function take(outbox: Outbox, options: Partial<TakeOptions> = {}): number[] {
  return outbox.take({ rowsMax: 100, nowMs: 0, ...options }).messages.map(({ sequence }) => sequence);
}

/** Takes until there is nothing that is ready, as a consumer does. */
export function takeAll(outbox: Outbox, nowMs: number): number[] {
  const found: number[] = [];
  for (;;) {
    const { messages, waitUntilMs = Infinity } = outbox.take({ rowsMax: 100, nowMs });
    if (messages.length === 0 && waitUntilMs > nowMs) return found;
    found.push(...messages.map(({ sequence }) => sequence));
  }
}

export function logged(store: DeliveryStore, rule = "r"): number[] {
  return Array.from(store.log(rule), ({ sequence }) => sequence);
}

/** Registers the cases for one kind of store. `make` gives a new, empty one. */
export function deliveryCases(name: string, make: () => { store: DeliveryStore; cleanUp(): void }): void {
  function deliveryTest(title: string, work: (store: DeliveryStore) => void | Promise<void>): void {
    test(`${name}: ${title}`, async () => {
      const { store, cleanUp } = make();
      try {
        await work(store);
      } finally {
        store.close();
        cleanUp();
      }
    });
  }

  /** A unit for the one outbox that most cases need. */
  const at = (store: DeliveryStore) => (work: Omit<OutboxWork, "action">) =>
    store.commit({ rule: "r", outboxes: [{ action: "a", ...work }] });

  deliveryTest("a store is in use from the first question on", async (store) => {
    assert.equal(store.isInUse(), false);
    let told = false;
    const whenInUse = store.whenInUse().then(() => told = true);
    await new Promise((resolve) => setTimeout(resolve));
    assert.equal(told, false);
    store.checkpoint("r");
    assert.equal(store.isInUse(), true);
    await whenInUse;
  });

  deliveryTest("nothing is kept of a rule before its first unit", (store) => {
    assert.deepEqual(store.rules(), []);
    assert.equal(store.checkpoint("r"), undefined);
    assert.deepEqual(logged(store), []);
    assert.equal(store.lastLogSequence("r"), 0);
    assert.deepEqual(store.positions("r"), new Map());
    assert.deepEqual(store.actions("r"), []);
    const outbox = store.outbox("r", "a");
    assert.deepEqual(outbox.counts(), { rows: 0, bytes: 0, takenRows: 0, deadRows: 0, deadBytes: 0 });
    assert.equal(outbox.oldestMs(), undefined);
    assert.deepEqual(take(outbox), []);
    assert.equal(outbox.lastSequence, 0);
    assert.deepEqual(store.rules(), []);
  });

  deliveryTest("a unit is not there before its promise resolves, then all of it is", async (store) => {
    const outbox = store.outbox("r", "a");
    const promise = store.commit({
      rule: "r",
      log: [entry(1), entry(2)],
      positions: new Map([["s", "17"]]),
      outboxes: [{ action: "a", append: [message(5)] }, { action: "b", append: [message(9)] }],
      checkpoint: { plan: "p1", sequence: 1, timeMs: 99, state: "state" },
    });
    assert.deepEqual(logged(store), []);
    assert.deepEqual(take(outbox), []);
    assert.deepEqual(await promise, { dropped: [] });
    assert.deepEqual(logged(store), [2]);
    assert.equal(store.lastLogSequence("r"), 2);
    assert.deepEqual(store.positions("r"), new Map([["s", "17"]]));
    assert.deepEqual(store.checkpoint("r"), { plan: "p1", sequence: 1, timeMs: 99, state: "state" });
    assert.deepEqual(store.rules(), ["r"]);
    assert.deepEqual(store.actions("r"), ["a", "b"]);
    assert.deepEqual(take(outbox), [5]);
    assert.deepEqual(take(store.outbox("r", "b")), [9]);
  });

  deliveryTest("units of one turn are seen in their order, and flush() does not wait for its end", async (store) => {
    const promises = [1, 2, 3].map((n) => store.commit({ rule: "r", log: [entry(n)] }));
    store.flush();
    assert.deepEqual(logged(store), [1, 2, 3]);
    await Promise.all(promises);
    store.flush();
  });

  deliveryTest("payloads come back as they were given, texts and bytes", async (store) => {
    const payloads = [
      "",
      "a\0b",
      "\u0001",
      "\u{1F600} ä",
      new Uint8Array(),
      new Uint8Array([0, 255, 7]),
      "x".repeat(100_000),
    ];
    const numbered = payloads.map((payload, i) => ({ sequence: i + 1, payload }));
    const append = numbered.map((each) => message(each.sequence, each));
    await store.commit({ rule: "r", log: numbered, outboxes: [{ action: "a", append }] });
    const plain = (payload: unknown) => payload instanceof Uint8Array ? [...payload] : payload;
    const expected = payloads.map(plain);
    assert.deepEqual(Array.from(store.log("r"), ({ payload }) => plain(payload)), expected);
    const outbox = store.outbox("r", "a");
    assert.equal(outbox.counts().rows, payloads.length);
    const taken = outbox.take({ rowsMax: 10, nowMs: 0 }).messages;
    assert.equal(taken.length, payloads.length);
    assert.deepEqual(taken.map(({ payload }) => plain(payload)), expected);
    const buried = taken.map(({ sequence }) => ({ sequence, reason: "no\0", diedMs: 1 }));
    await at(store)({ buried });
    assert.equal(outbox.deadLetters({ limit: 1 })[0]!.reason, "no\0");
    assert.deepEqual(outbox.deadLetters({ limit: 10 }).map(({ payload }) => plain(payload)), expected);
    for (const state of payloads) {
      await store.commit({ rule: "r", checkpoint: { plan: "p", sequence: 0, timeMs: 0, state } });
      assert.deepEqual(plain(store.checkpoint("r")!.state), plain(state));
    }
  });

  // ---- log and checkpoints

  deliveryTest("a checkpoint replaces the one before and lets go of the log up to its sequence", async (store) => {
    await store.commit({ rule: "r", log: [entry(1), entry(2), entry(7)] });
    await store.commit({ rule: "r", checkpoint: { plan: "p", sequence: 2, timeMs: 1, state: "one" } });
    assert.deepEqual(logged(store), [7]);
    await store.commit({
      rule: "r",
      log: [entry(8), entry(9)],
      checkpoint: { plan: "q", sequence: 8, timeMs: 2, state: "two" },
    });
    assert.deepEqual(logged(store), [9]);
    assert.equal(store.checkpoint("r")!.state, "two");
    assert.equal(store.lastLogSequence("r"), 9);
  });

  deliveryTest("a checkpoint of null forgets state and log, not sequences, positions and outboxes", async (store) => {
    const positions = new Map([["s", "5"]]);
    await store.commit({ rule: "r", log: [entry(4)], positions, outboxes: [{ action: "a", append: [message(3)] }] });
    await store.commit({ rule: "r", checkpoint: { plan: "p", sequence: 4, timeMs: 1, state: "one" } });
    await store.commit({ rule: "r", log: [entry(5)] });
    await store.commit({ rule: "r", checkpoint: null });
    assert.equal(store.checkpoint("r"), undefined);
    assert.deepEqual(logged(store), []);
    assert.equal(store.lastLogSequence("r"), 5);
    assert.deepEqual(store.positions("r"), positions);
    assert.deepEqual(take(store.outbox("r", "a")), [3]);
    await assert.rejects(store.commit({ rule: "r", log: [entry(5)] }), RangeError);
    await store.commit({ rule: "r", log: [entry(6)] });
    assert.deepEqual(logged(store), [6]);
  });

  deliveryTest("a position of null is forgotten, alone, with a log and with a checkpoint", async (store) => {
    const now = () => Object.fromEntries(store.positions("r"));
    await store.commit({ rule: "r", log: [entry(1)], positions: new Map([["s", "1"], ["t", "1"]]) });
    await store.commit({ rule: "r", positions: new Map([["s", null]]) });
    assert.deepEqual(now(), { t: "1" });
    await store.commit({ rule: "r", log: [entry(2)], positions: new Map([["t", null], ["s", "2"]]) });
    assert.deepEqual(now(), { s: "2" });
    await store.commit({ rule: "r", log: [entry(3)], positions: new Map([["s", null], ["unknown", null]]) });
    assert.deepEqual(now(), {});
    await store.commit({ rule: "r", log: [entry(4)] });
    await store.commit({ rule: "r", checkpoint: null });
    assert.deepEqual(now(), {});
    await store.commit({ rule: "r", log: [entry(5)], positions: new Map([["s", "5"]]) });
    assert.deepEqual(now(), { s: "5" });
  });

  deliveryTest("positions are kept by source, with and without a log", async (store) => {
    const now = () => Object.fromEntries(store.positions("r"));
    await store.commit({ rule: "r", positions: new Map([["s", "1"], ["t", "1"]]) });
    await store.commit({ rule: "r", log: [entry(1)], positions: new Map([["s", "2"]]) });
    assert.deepEqual(now(), { s: "2", t: "1" });
    await store.commit({ rule: "r", positions: new Map([["t", "3"]]) });
    await store.commit({ rule: "r", log: [entry(2)] });
    await store.commit({ rule: "r", checkpoint: { plan: "p", sequence: 2, timeMs: 1, state: "" } });
    assert.deepEqual(now(), { s: "2", t: "3" });
    await store.commit({ rule: "other", positions: new Map([["s", "9"]]) });
    assert.deepEqual(now(), { s: "2", t: "3" });
  });

  deliveryTest("a unit against the rules is refused alone and leaves nothing", async (store) => {
    const outbox = store.outbox("r", "a");
    await store.commit({ rule: "r", log: [entry(5)], outboxes: [{ action: "a", append: [message(5)] }] });
    const before = outbox.counts();
    const refused = [
      { log: [entry(5)] },
      { log: [entry(7), entry(7)] },
      { log: [entry(6)], outboxes: [{ action: "a", append: [message(5)] }] },
      { log: [entry(6)], outboxes: [{ action: "a", append: [message(6.5)] }] },
      { log: [entry(6)], outboxes: [{ action: "a", append: [message(2 ** 44)] }] },
      { log: [entry(6)], outboxes: [{ action: "a", append: [message(6, { payload: 7 as unknown as string })] }] },
      { log: [entry(6)], outboxes: [{ action: "a", delivered: [5] }] },
      { log: [entry(6)], outboxes: [{ action: "a", retried: [{ sequence: 5, atMs: 1 }] }] },
      { log: [entry(6)], outboxes: [{ action: "a" }, { action: "a" }] },
      { log: [entry(6)], checkpoint: { plan: "p", sequence: 7, timeMs: 0, state: "" } },
      { log: [entry(6)], checkpoint: { plan: "p", sequence: -1, timeMs: 0, state: "" } },
    ].map((unit) => assert.rejects(store.commit({ rule: "r", ...unit }), /TypeError|RangeError/));
    const good = store.commit({ rule: "r", log: [entry(10)] });
    await Promise.all([...refused, good]);
    assert.deepEqual(logged(store), [5, 10]);
    assert.deepEqual(outbox.counts(), before);
    assert.deepEqual(take(outbox), [5]);
    await assert.rejects(at(store)({ delivered: [5, 5] }), RangeError);
    await assert.rejects(at(store)({ delivered: [5], buried: [{ sequence: 5, reason: "", diedMs: 0 }] }), RangeError);
    await at(store)({ delivered: [5] });
    await assert.rejects(at(store)({ delivered: [5] }), RangeError);
    assert.equal(outbox.counts().rows, 0);
  });

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

  // ---- removing

  deliveryTest("a removed rule leaves nothing, and comes back as another", async (store) => {
    const outbox = store.outbox("r", "a", { rowsMax: 1 });
    const unit = {
      rule: "r",
      log: [entry(1)],
      positions: new Map([["s", "1"]]),
      outboxes: [{ action: "a", append: [message(1)] }],
      checkpoint: { plan: "p", sequence: 0, timeMs: 0, state: "s" },
    };
    await store.commit(unit);
    await store.commit({ rule: "rr", log: [entry(1)] });
    const incarnation = store.incarnation("r");
    assert.equal(store.incarnation("r"), incarnation);
    const waiting = outbox.whenRoom(1, 1);
    store.remove("r");
    await waiting;
    assert.deepEqual(take(outbox), []);
    assert.deepEqual(store.rules(), ["rr"]);
    assert.equal(store.checkpoint("r"), undefined);
    assert.deepEqual(logged(store), []);
    assert.deepEqual(store.positions("r"), new Map());
    assert.deepEqual(store.actions("r"), []);
    assert.deepEqual(take(store.outbox("r", "a")), []);
    assert.notEqual(store.incarnation("r"), incarnation);
    await store.commit(unit);
    while (store.maintain());
    assert.deepEqual(logged(store), [1]);
    assert.deepEqual(take(store.outbox("r", "a")), [1]);
    store.remove("never there");
  });

  deliveryTest("remove() comes after what was committed before it", async (store) => {
    const promise = store.commit({ rule: "r", log: [entry(1)] });
    store.remove("r");
    await promise;
    assert.deepEqual(store.rules(), []);
  });

  deliveryTest("the sequences of a rule go on after its outboxes", async (store) => {
    assert.equal(store.lastSequence("r"), 0);
    await store.commit({ rule: "r", log: [entry(2)], outboxes: [{ action: "a", append: messages(3, 4) }] });
    assert.equal(store.lastSequence("r"), 4);
    await store.commit({ rule: "r", outboxes: [{ action: "b", append: messages(5, 9) }] });
    store.removeOutbox("r", "b");
    assert.equal(store.lastSequence("r"), 9);
    await store.commit({ rule: "r", outboxes: [{ action: "b", append: messages(7, 7) }] });
    store.removeOutbox("r", "b");
    store.removeOutbox("r", "never");
    assert.equal(store.lastSequence("r"), 9);
    await store.commit({ rule: "r", log: [entry(12)] });
    assert.equal(store.lastSequence("r"), 12);
    store.remove("r");
    assert.equal(store.lastSequence("r"), 0);
  });

  deliveryTest("removeOutbox() removes one, removeOrphans() the rules that are gone", async (store) => {
    const outboxes = [{ action: "a", append: [message(1)] }, { action: "b", append: [message(1)] }];
    for (const rule of ["p", "q", "r"]) await store.commit({ rule, log: [entry(1)], outboxes });
    store.removeOutbox("q", "a");
    assert.deepEqual(store.actions("q"), ["b"]);
    assert.deepEqual(take(store.outbox("q", "a")), []);
    assert.deepEqual(take(store.outbox("q", "b")), [1]);
    assert.deepEqual(store.removeOrphans((rule) => rule === "q"), ["p", "r"]);
    assert.deepEqual(store.rules(), ["q"]);
    while (store.maintain());
    assert.deepEqual(logged(store, "q"), [1]);
  });

  deliveryTest("preload() changes nothing that is known, and what comes after it counts", async (store) => {
    store.preload();
    await at(store)({ append: messages(1, 3) });
    await store.commit({ rule: "s", log: [entry(1)], outboxes: [{ action: "b", append: [message(1)] }] });
    take(store.outbox("r", "a"), { rowsMax: 1 });
    store.preload();
    assert.equal(store.outbox("r", "a").counts().takenRows, 1);
    assert.deepEqual([store.actions("r"), store.actions("s")], [["a"], ["b"]]);
    await store.commit({ rule: "s", outboxes: [{ action: "c", append: [message(2)] }] });
    assert.deepEqual(store.actions("s"), ["b", "c"]);
    store.removeOutbox("s", "b");
    store.preload();
    assert.deepEqual(store.actions("s"), ["c"]);
    assert.equal(store.outbox("s", "b").counts().rows, 0);
    store.remove("s");
    store.preload();
    assert.deepEqual([store.rules(), store.actions("s"), logged(store, "s")], [["r"], [], []]);
  });

  deliveryTest("close() commits what waits; a closed store refuses work", async (store) => {
    const promise = store.commit({ rule: "r", log: [entry(1)] });
    store.close();
    await promise;
    store.close();
    assert.throws(() => store.rules(), /closed/);
    assert.throws(() => store.incarnation("new"), /closed/);
    await assert.rejects(store.commit({ rule: "r", log: [entry(2)] }), /closed/);
  });
}
