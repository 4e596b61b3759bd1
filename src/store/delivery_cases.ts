/**
 * What every delivery store must do. Each implementation's test file runs these cases.
 * @module
 */
import assert from "node:assert/strict";
import { at, deliveryTestOf, entry, logged, type MakeStore, message, messages, take } from "./delivery_fixture.ts";
import { outboxCases } from "./outbox_cases.ts";

/** Registers the cases for one kind of store, those of outboxes among them. */
export function deliveryCases(name: string, make: MakeStore): void {
  const deliveryTest = deliveryTestOf(name, make);

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

  outboxCases(name, make);
}
