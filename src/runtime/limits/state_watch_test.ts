import assert from "node:assert/strict";
import { test } from "node:test";
import { StateWatch } from "./state_watch.ts";

function setUp(bytesMax: number) {
  const state = { bytes: 0, now: 0, looks: 0, tookMs: 0 };
  const operator = {
    held: () => 7,
    stateBytes: () => {
      state.looks++;
      state.now += state.tookMs;
      return state.bytes;
    },
  };
  const steps = [{ type: "project", operator: {} }, { type: "window", operator }];
  const watch = new StateWatch(steps, bytesMax, () => state.now);
  return { state, rows: (count: number) => watch.rows(count, state.now) };
}

test("StateWatch looks every second, or every thousand rows", () => {
  const { state, rows } = setUp(1000);
  rows(1);
  assert.equal(state.looks, 1);
  for (let i = 0; i < 100; i++) rows(1);
  assert.equal(state.looks, 1);
  rows(900);
  assert.equal(state.looks, 2);
  state.now += 1000;
  rows(1);
  assert.equal(state.looks, 3);
});

test("StateWatch spends no more than a small part of the time, however long a look takes", () => {
  const { state, rows } = setUp(1000);
  state.tookMs = 10;
  for (let i = 0; i < 1000; i++) {
    rows(40);
    state.now++;
  }
  assert.ok(state.looks >= 4 && state.looks <= 6, `${state.looks} looks in a second`);
  const before = state.looks;
  rows(10_000);
  assert.equal(state.looks, before + 1, "many rows are looked at anyway");
});

test("StateWatch tells which step holds how much, and never does without a limit", () => {
  const { state, rows } = setUp(1024 * 1024);
  state.bytes = 5 * 1024 * 1024;
  assert.equal(
    rows(1)!.message.replace(/ \(.*/, ""),
    "E513: The state of the rule takes about 5.0 MiB, and stateBytesMax allows 1.0 MiB: " +
      'step "window" holds 7 rows in about 5.0 MiB',
  );
  const free = setUp(0);
  free.state.bytes = 1e12;
  assert.equal(free.rows(1_000_000), undefined);
  assert.equal(free.state.looks, 0);
});
