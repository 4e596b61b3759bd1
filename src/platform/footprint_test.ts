import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../../tests/eventually.ts";
import { FootprintKeeper } from "./footprint.ts";

const mib = 1024 * 1024;

/** A platform of a given size whose trims and collections are counted, and a clock that the test turns. */
function scene(residentMib: number, anonymousMib: number) {
  const state = { residentMib, anonymousMib, nowMs: 0, collectMs: 10, trims: 0, collections: 0 };
  const keeper = new FootprintKeeper({
    footprint: () => ({ residentBytes: state.residentMib * mib, anonymousBytes: state.anonymousMib * mib }),
    trimMemory: () => {
      state.trims++;
      return { trimmedBytes: 1 };
    },
    collectGarbage: () => {
      state.collections++;
      state.nowMs += state.collectMs;
    },
  }, () => state.nowMs);
  return { state, keeper };
}

test("FootprintKeeper leaves a small agent alone", () => {
  const { state, keeper } = scene(25, 12);
  for (let i = 0; i < 10; i++) keeper.look();
  assert.deepEqual([state.trims, state.collections], [0, 0]);
});

test("FootprintKeeper trims a grown agent now and then, and one that grows fast at once", () => {
  const { state, keeper } = scene(34, 12);
  for (; state.nowMs < 3_000; state.nowMs += 25) keeper.look();
  assert.equal(state.trims, 3);
  state.residentMib = 40;
  for (let i = 0; i < 4; i++) keeper.look();
  assert.equal(state.trims, 7);
});

test("FootprintKeeper trims an agent that needs its size ever more seldom, until it grows again", () => {
  const { state, keeper } = scene(40, 12);
  const trimsUntil = (endMs: number) => {
    const before = state.trims;
    for (; state.nowMs < endMs; state.nowMs += 25) keeper.look();
    return state.trims - before;
  };
  trimsUntil(20_000);
  const later = trimsUntil(60_000);
  assert.ok(later >= 1 && later <= 3, `trimmed ${later} times in 40 s`);
  state.residentMib = 43;
  assert.ok(trimsUntil(60_200) >= 4, "it grows");
});

test("FootprintKeeper trims an agent with much data of its own only now and then", () => {
  const { state, keeper } = scene(90, 70);
  for (; state.nowMs < 3_000; state.nowMs += 25) keeper.look();
  assert.ok(state.trims >= 1 && state.trims <= 3, `trimmed ${state.trims} times`);
});

test("FootprintKeeper collects again only for what has grown since, and the less often the longer it takes", () => {
  const { state, keeper } = scene(30, 22);
  keeper.look();
  assert.equal(state.collections, 1);
  state.nowMs += 60_000;
  keeper.look();
  assert.equal(state.collections, 1, "nothing has grown");
  state.anonymousMib = 26;
  state.collectMs = 100;
  keeper.look();
  assert.equal(state.collections, 2);
  state.anonymousMib = 40;
  state.nowMs += 5_000;
  keeper.look();
  assert.equal(state.collections, 2, "it takes a tenth of a second");
  state.nowMs += 5_000;
  keeper.look();
  assert.equal(state.collections, 3);
});

test("FootprintKeeper makes room before something large, and tidies up once after it", async () => {
  const { state, keeper } = scene(30, 12);
  keeper.makeRoom();
  keeper.makeRoom();
  assert.deepEqual([state.trims, state.collections], [2, 0]);
  await eventually(() => state.collections === 1);
  assert.equal(state.trims, 3);
  keeper.stop();
});

test("FootprintKeeper tidies up once after the start", async () => {
  const { state, keeper } = scene(20, 12);
  keeper.start();
  try {
    keeper.start();
    assert.deepEqual([state.trims, state.collections], [0, 0]);
    await eventually(() => state.trims > 0);
    assert.deepEqual([state.trims, state.collections], [1, 1]);
  } finally {
    keeper.stop();
  }
});

test("FootprintKeeper does nothing where no size is known", () => {
  const unknown = new FootprintKeeper({
    footprint: () => undefined,
    trimMemory: () => assert.fail("trimmed"),
    collectGarbage: () => assert.fail("collected"),
  });
  unknown.look();
  unknown.makeRoom();
  unknown.start();
  unknown.stop();
});
