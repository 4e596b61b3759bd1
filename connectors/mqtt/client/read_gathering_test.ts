import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../../../tests/eventually.ts";
import { ReadGathering } from "./read_gathering.ts";

function scene() {
  const state = { handled: [] as number[][], patient: true };
  const reads = new ReadGathering((chunk) => state.handled.push([...chunk]), () => state.patient);
  const take = (from: number, to: number) => {
    for (let i = from; i < to; i++) reads.take(Uint8Array.of(i));
  };
  return { state, reads, take };
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

test("ReadGathering handles the pieces of a quiet socket at once", () => {
  const { state, take } = scene();
  take(0, 63);
  assert.deepEqual(state.handled, numbers(0, 63).map((i) => [i]));
});

test("ReadGathering handles the pieces of a busy socket together, in order, within milliseconds", async () => {
  const { state, take } = scene();
  take(0, 80);
  assert.equal(state.handled.length, 64);
  await eventually(() => state.handled.length === 65);
  assert.deepEqual(state.handled.flat(), numbers(0, 80));
});

test("ReadGathering does not wait while an answer is awaited", async () => {
  const { state, take } = scene();
  state.patient = false;
  take(0, 100);
  assert.equal(state.handled.length, 100);
  state.patient = true;
  take(100, 170);
  assert.equal(state.handled.length, 164);
  state.patient = false;
  await eventually(() => state.handled.length === 165);
  take(170, 172);
  assert.equal(state.handled.length, 167, "back to one by one");
  assert.deepEqual(state.handled.flat(), numbers(0, 172));
});

test("ReadGathering handles a large amount before its time, and the rest when the socket ends", () => {
  const { state, reads, take } = scene();
  take(0, 64);
  reads.take(new Uint8Array(60_000));
  reads.take(new Uint8Array(6_000));
  assert.equal(state.handled.at(-1)!.length, 66_000);
  take(1, 3);
  reads.flush();
  assert.deepEqual(state.handled.at(-1), [1, 2]);
});

test("ReadGathering looks at a busy socket again after a while", async () => {
  const { state, take } = scene();
  take(0, 65);
  const begin = performance.now();
  let next = 65;
  // Pieces that come slowly: the socket is no longer busy, so that in the end each is handled at once.
  await eventually(() => {
    const before = state.handled.length;
    take(next % 250, next % 250 + 1);
    next++;
    return state.handled.length === before + 1 && performance.now() - begin > 250;
  });
});

test("ReadGathering drops what it holds when it is stopped", async () => {
  const { state, reads, take } = scene();
  take(0, 70);
  reads.stop();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(state.handled.length, 64);
});
