import assert from "node:assert/strict";
import { test } from "node:test";
import { recordingLogger } from "../connector/conformance.ts";
import type { LogFields } from "../connector/context.ts";
import { Disconnected } from "../connector/errors.ts";
import type { Lookup, LookupColumns, Struct, Value } from "../connector/lookup.ts";
import { DiagnosticError, fail } from "../diagnostics/diagnostic.ts";
import { RowError } from "../diagnostics/row_error.ts";
import { HandClock, settled } from "../../tests/hand_clock.ts";
import { LookupTable, type LookupTableOptions } from "./lookup_table.ts";

/** A store whose answers a test decides. */
class Store {
  opens = 0;
  closes = 0;
  readonly asked: { keys: readonly string[]; values: readonly Value[]; columns: LookupColumns }[] = [];
  /** What `open` throws. */
  refusal: unknown;
  answer: (signal: AbortSignal) => readonly Struct[] | Promise<readonly Struct[]> = () => [{ n: this.asked.length }];

  open(): Promise<Lookup> {
    this.opens++;
    if (this.refusal !== undefined) return Promise.reject(this.refusal);
    let closed = false;
    return Promise.resolve({
      find: (keys, values, columns, signal) => {
        assert.equal(closed, false, "asked after close");
        this.asked.push({ keys, values, columns });
        return this.answer(signal);
      },
      close: () => {
        closed = true;
        this.closes++;
        return Promise.resolve();
      },
    });
  }
}

async function opened(store: Store, options: Partial<LookupTableOptions> = {}) {
  const clock = new HandClock(0);
  const logged: LogFields[] = [];
  const table = new LookupTable({
    name: "t",
    open: () => store.open(),
    reportsStatus: false,
    cache: undefined,
    clock,
    log: recordingLogger(logged),
    ...options,
  });
  table.start();
  await settled();
  return { table, clock, logged };
}

const isLookupError = (reason: RegExp) => (error: unknown) => {
  assert.ok(error instanceof RowError);
  assert.equal(error.code, "E510");
  return reason.test(error.message);
};

test("a lookup table answers in place when its store does", async () => {
  const store = new Store();
  const { table } = await opened(store);
  const byId = table.keyed(["id"]);
  assert.deepEqual(byId.find([1n], ["n"]), [{ n: 1 }]);
  assert.deepEqual(store.asked, [{ keys: ["id"], values: [1n], columns: ["n"] }]);
  for (const nothing of [null, undefined, NaN]) assert.deepEqual(byId.find([nothing], "all"), []);
  assert.equal(store.asked.length, 1);
  assert.equal(table.connection.state, "connected");
  await table.close();
  await table.close();
  assert.equal(store.closes, 1);
});

test("a lookup table waits for its store to open, but not for a store that is away", async () => {
  const store = new Store();
  const { table, clock, logged } = await opened(store, {});
  await table.close();
  store.refusal = new Disconnected("connection refused");
  const away = await opened(store);
  const byId = away.table.keyed(["id"]);
  await assert.rejects(Promise.resolve(byId.find([1], "all")), isLookupError(/table "t": connection refused/));
  assert.equal(away.table.connection.state, "disconnected");
  assert.equal(store.opens, 2);
  await away.clock.advance(100);
  assert.equal(store.opens, 3);
  store.refusal = undefined;
  await away.clock.advance(10_000);
  assert.deepEqual(byId.find([1], "all"), [{ n: 1 }]);
  // The same reason is told once, as a warning; the lines after it are for debugging.
  assert.deepEqual(away.logged[0], { reason: "connection refused" });
  assert.equal(clock.waiting, 0);
  assert.deepEqual(logged, []);
  const late = new LookupTable({
    name: "t",
    open: () => store.open(),
    reportsStatus: false,
    cache: undefined,
    clock,
    log: recordingLogger([]),
  });
  late.start();
  assert.deepEqual(await late.keyed(["id"]).find([1], "all"), [{ n: 2 }]);
  await late.close();
  await away.table.close();
});

test("a lookup table asks a fresh handle once more when the old one was lost", async () => {
  const store = new Store();
  for (const lost of ["in place", "later"]) {
    const { table } = await opened(store);
    const byId = table.keyed(["id"]);
    const before = { ...store };
    await byId.find([1], "all");
    let first = true;
    store.answer = () => {
      if (!first) return [{ n: "again" }];
      first = false;
      const error = new Disconnected("idle for too long");
      if (lost === "in place") throw error;
      return Promise.reject(error);
    };
    const both = await Promise.all([byId.find([1], "all"), byId.find([2], "all")]);
    assert.deepEqual(both[0], [{ n: "again" }]);
    assert.equal(store.opens - before.opens, 1);
    assert.equal(store.closes - before.closes, 1);
    await table.close();
    store.answer = () => [];
  }
});

test("a lookup table does not open again and again for a store that never answers", async () => {
  const store = new Store();
  store.answer = () => Promise.reject(new Disconnected("gone"));
  const { table, clock } = await opened(store);
  const byId = table.keyed(["id"]);
  for (let i = 0; i < 5; i++) {
    await assert.rejects(async () => await byId.find([1], "all"), isLookupError(/gone/));
  }
  assert.equal(store.opens, 1);
  await clock.advance(100);
  assert.equal(store.opens, 2);
  await table.close();
  await clock.advance(60_000);
  assert.deepEqual([store.opens, store.closes, clock.waiting], [2, 2, 0]);
});

test("other errors of a store fail the row that asked, and nothing else", async () => {
  const store = new Store();
  const { table } = await opened(store);
  const byId = table.keyed(["id"]);
  store.answer = () => {
    throw new Error("no such column");
  };
  assert.throws(() => byId.find([1], "all"), isLookupError(/no such column/));
  store.answer = () => Promise.reject(new RowError("E501", "not JSON"));
  await assert.rejects(
    async () => await byId.find([1], "all"),
    (error) => error instanceof RowError && error.code === "E501",
  );
  assert.equal(store.opens, 1);
  await table.close();
  await assert.rejects(async () => await byId.find([1], "all"), isLookupError(/it is closed/));
});

test("closing a lookup table aborts the questions that wait", async () => {
  const store = new Store();
  store.answer = (signal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
  const { table } = await opened(store);
  const waiting = Promise.resolve(table.keyed(["id"]).find([1], "all"));
  const rejected = assert.rejects(waiting, isLookupError(/is closed/));
  await table.close();
  await rejected;
});

test("settings that can never work are told to the rules, also to later ones", async () => {
  const store = new Store();
  try {
    fail("E403", "no such database");
  } catch (error) {
    store.refusal = error;
  }
  const { table, clock } = await opened(store);
  const told: DiagnosticError[] = [];
  const stop = table.onFailed((error) => told.push(error));
  assert.equal(told.length, 1);
  stop();
  await clock.advance(60_000);
  assert.equal(store.opens, 1);
  await assert.rejects(async () => await table.keyed(["id"]).find([1], "all"), isLookupError(/no such database/));
  await table.close();
});

test("a cached lookup table asks its store once for each key, also for those who ask at once", async () => {
  const store = new Store();
  const { table, clock } = await opened(store, { cache: { ttlMs: 1000, missingKeys: false } });
  const [one, other] = [table.keyed(["id"]), table.keyed(["id"])];
  assert.deepEqual(one.find([1], "all"), [{ n: 1 }]);
  assert.deepEqual(other.find([1n], "all"), [{ n: 1 }]);
  assert.deepEqual(one.find([1], ["n"]), [{ n: 2 }]);
  store.answer = () => Promise.resolve([{ n: store.asked.length }]);
  assert.deepEqual(await Promise.all([one.find([2], "all"), one.find([2n], "all")]), [[{ n: 3 }], [{ n: 3 }]]);
  assert.deepEqual(one.find([2], "all"), [{ n: 3 }]);
  assert.deepEqual([table.cache!.hits, table.cache!.misses], [2, 4]);
  await clock.advance(1000);
  assert.deepEqual(await one.find([1], "all"), [{ n: 4 }]);
  store.answer = () => Promise.reject(new Error("down"));
  await assert.rejects(async () => await one.find([3], "all"), isLookupError(/down/));
  // A failure is not kept.
  store.answer = () => [];
  assert.deepEqual(one.find([3], "all"), []);
  await table.close();
});
