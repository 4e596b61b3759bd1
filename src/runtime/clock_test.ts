import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "./clock.ts";

test("systemClock sleeps, at least as long as asked within a timer's precision", async () => {
  const started = performance.now();
  await systemClock.sleep(20);
  assert.ok(performance.now() - started >= 18);
  assert.ok(Math.abs(systemClock.now() - Date.now()) < 1000);
});

test("a sleep rejects with the signal's reason, before and while it sleeps", async () => {
  const reason = new Error("stop");
  await assert.rejects(systemClock.sleep(60_000, AbortSignal.abort(reason)), (error) => error === reason);
  const abort = new AbortController();
  const sleeping = systemClock.sleep(60_000, abort.signal);
  abort.abort(reason);
  await assert.rejects(sleeping, (error) => error === reason);
});

test("a timer can be cancelled, and one in the past fires at once", async () => {
  const calls: string[] = [];
  systemClock.after(5, () => calls.push("cancelled"))();
  systemClock.after(-5, () => calls.push("past"));
  await systemClock.sleep(30);
  assert.deepEqual(calls, ["past"]);
});

test("a wait beyond what timers of the platform know does not end at once", async () => {
  let called = false;
  const cancel = systemClock.after(2 ** 31 + 1000, () => called = true);
  const abort = new AbortController();
  const sleeping = systemClock.sleep(2 ** 40, abort.signal);
  await systemClock.sleep(30);
  assert.equal(called, false);
  cancel();
  abort.abort(new Error("enough"));
  await assert.rejects(sleeping, /enough/);
});
