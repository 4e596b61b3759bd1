import assert from "node:assert/strict";
import { test } from "node:test";
import { exchangeLifetimeMs, SeenMessages } from "./seen.ts";
import { uploadBytesMax, Uploads } from "./uploads.ts";

const bytes = (length: number, value = 1) => new Uint8Array(length).fill(value);

test("blocks in order are one payload, and others are incomplete", () => {
  const uploads = new Uploads();
  assert.equal(uploads.add("a", { num: 0, more: true, size: 16 }, bytes(16, 1), 0).kind, "continue");
  assert.equal(
    uploads.add("b", { num: 1, more: true, size: 16 }, bytes(16), 0).kind,
    "incomplete",
    "nothing before it",
  );
  // A smaller size on the way.
  assert.equal(uploads.add("a", { num: 1, more: true, size: 16 }, bytes(16, 2), 0).kind, "continue");
  const last = uploads.add("a", { num: 2, more: false, size: 16 }, bytes(3, 3), 0);
  assert.ok(last.kind === "whole");
  assert.deepEqual(last.payload, Uint8Array.of(...bytes(16, 1), ...bytes(16, 2), 3, 3, 3));
  assert.equal(uploads.bytes, 0);
  assert.equal(uploads.add("a", { num: 3, more: false, size: 16 }, bytes(3), 0).kind, "incomplete", "it is over");
  assert.equal(uploads.add("c", { num: 0, more: true, size: 32 }, bytes(31), 0).kind, "incomplete", "a short block");
});

test("one that begins again replaces what was there", () => {
  const uploads = new Uploads();
  for (const value of [1, 2]) uploads.add("a", { num: 0, more: true, size: 16 }, bytes(16, value), 0);
  const last = uploads.add("a", { num: 1, more: false, size: 16 }, bytes(1, 3), 0);
  assert.ok(last.kind === "whole");
  assert.deepEqual(last.payload, Uint8Array.of(...bytes(16, 2), 3));
});

test("what is too large, too much or given up does not fill the memory", () => {
  const uploads = new Uploads();
  const size = 1024;
  let answer = "";
  for (let num = 0; answer !== "too large"; num++) {
    assert.ok(num * size <= uploadBytesMax);
    answer = uploads.add("a", { num, more: true, size }, bytes(size), 0).kind;
  }
  assert.equal(uploads.bytes, 0);
  let taken = 0;
  for (let n = 0; n < 5000; n++) {
    if (uploads.add(`n${n}`, { num: 0, more: true, size }, bytes(size), 0).kind === "continue") taken++;
  }
  assert.equal(taken, 1000);
  assert.equal(uploads.add("late", { num: 0, more: true, size }, bytes(size), 200_000).kind, "continue");
  assert.equal(uploads.bytes, size);
});

test("a message is known for as long as its identifier stands for it, and not for ever", () => {
  const seen = new SeenMessages();
  assert.ok(seen.add("a 1", 0));
  assert.ok(!seen.add("a 1", exchangeLifetimeMs - 1));
  seen.answer("a 1", bytes(1));
  assert.deepEqual(seen.answerOf("a 1"), bytes(1));
  assert.ok(seen.add("a 1", exchangeLifetimeMs));
  assert.equal(seen.answerOf("a 1"), undefined);
  for (let n = 0; n < 100_000; n++) seen.add(`b ${n}`, exchangeLifetimeMs);
  assert.equal(seen.size, 32_768);
  seen.add("c", 3 * exchangeLifetimeMs);
  assert.equal(seen.size, 1);
});
