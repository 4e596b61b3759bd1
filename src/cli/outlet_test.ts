/**
 * @module
 */
import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { Outlet } from "./outlet.ts";

/** A stream whose reader takes nothing until it is told to. */
function slowStream() {
  let take: (() => void) | undefined;
  const stream = new Writable({
    decodeStrings: false,
    write(_text, _encoding, done) {
      take = done;
    },
  });
  return { stream, take: () => take?.() };
}

test("an outlet is ready until its reader leaves a megabyte, and again when it has taken it", async () => {
  const { stream, take } = slowStream();
  const outlet = new Outlet(stream);
  outlet.write("x".repeat(1_000_000));
  assert.equal(outlet.ready(), undefined);
  outlet.write("x".repeat(1_000_000));
  const ready = outlet.ready();
  const drained = outlet.drained();
  assert.ok(ready instanceof Promise);
  let isReady = false;
  ready.then(() => isReady = true);
  take();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(isReady, false);
  take();
  await Promise.all([ready, drained]);
  assert.equal(outlet.ready(), undefined);
});

test("an outlet whose reader is gone is ready", async () => {
  const stream = new Writable({ write: (_text, _encoding, done) => done(new Error("gone")) });
  const outlet = new Outlet(stream);
  for (let i = 0; i < 3; i++) outlet.write("x".repeat(1_000_000));
  await outlet.ready();
  outlet.write("more");
  await outlet.drained();
});
