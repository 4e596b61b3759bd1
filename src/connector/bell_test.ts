import assert from "node:assert/strict";
import { test } from "node:test";
import { Bell } from "./bell.ts";

test("a ring wakes the one that waits, and nobody later", async () => {
  const bell = new Bell();
  const { signal } = new AbortController();
  bell.ring();
  assert.equal(bell.isAwaited, false);
  let woken = 0;
  const first = bell.wait(signal).then(() => woken++);
  await Promise.resolve();
  assert.equal(woken, 0, "the ring before it is lost");
  assert.equal(bell.isAwaited, true);
  bell.ring();
  assert.equal(bell.isAwaited, false);
  await first;
  const second = bell.wait(signal).then(() => woken++);
  await Promise.resolve();
  assert.equal(woken, 1);
  bell.ring();
  await second;
  assert.equal(woken, 2);
});

test("a signal ends the wait with its reason, before and during it", async () => {
  const bell = new Bell();
  const abort = new AbortController();
  const reason = new Error("the rule stops");
  const waiting = bell.wait(abort.signal);
  abort.abort(reason);
  assert.equal(bell.isAwaited, false);
  await assert.rejects(waiting, reason);
  await assert.rejects(bell.wait(abort.signal), reason);
  assert.equal(bell.isAwaited, false);
  bell.ring();
});

test("waits leave no listener behind", async () => {
  const bell = new Bell();
  const { signal } = new AbortController();
  let listeners = 0;
  const watched = new Proxy(signal, {
    get(target, name) {
      if (name === "addEventListener") return () => void listeners++;
      if (name === "removeEventListener") return () => void listeners--;
      return Reflect.get(target, name, target);
    },
  });
  for (let i = 0; i < 3; i++) {
    const waiting = bell.wait(watched);
    assert.equal(listeners, 1);
    bell.ring();
    await waiting;
    assert.equal(listeners, 0);
  }
});
