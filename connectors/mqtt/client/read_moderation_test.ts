import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../../../tests/eventually.ts";
import { ReadModeration } from "./read_moderation.ts";

function socket() {
  const calls: string[] = [];
  return { calls, pause: () => calls.push("pause"), resume: () => calls.push("resume") };
}

test("ReadModeration leaves a socket alone that is read now and then", () => {
  const fake = socket();
  const reads = new ReadModeration(fake);
  for (let i = 0; i < 60; i++) reads.after(true);
  assert.deepEqual(fake.calls, []);
});

test("ReadModeration rests after each read of a busy socket, and reads again by itself", async () => {
  const fake = socket();
  const reads = new ReadModeration(fake);
  for (let i = 0; i < 66; i++) reads.after(true);
  assert.deepEqual(fake.calls, ["pause"], "one rest at a time");
  await eventually(() => fake.calls.join() === "pause,resume");
  reads.stop();
});

test("ReadModeration does not rest while an answer is awaited", () => {
  const fake = socket();
  const reads = new ReadModeration(fake);
  for (let i = 0; i < 200; i++) reads.after(i % 3 > 0);
  assert.deepEqual(fake.calls, []);
});

test("ReadModeration keeps a socket paused that its owner has paused", async () => {
  const fake = socket();
  const reads = new ReadModeration(fake);
  for (let i = 0; i < 66; i++) reads.after(true);
  reads.pause();
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.deepEqual(fake.calls, ["pause", "pause"]);
  reads.resume();
  assert.equal(fake.calls.at(-1), "resume");
  reads.stop();
});
