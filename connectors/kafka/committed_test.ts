import assert from "node:assert/strict";
import { test } from "node:test";
import { committedBatches } from "./committed.ts";

const batch = (firstOffset: number, producerId: number, attributes = 0x10) => {
  return { firstOffset: BigInt(firstOffset), producerId: BigInt(producerId), attributes };
};
const end = (firstOffset: number, producerId: number) => batch(firstOffset, producerId, 0x30);
const aborted = (producerId: number, firstOffset: number) => {
  return { producerId: BigInt(producerId), firstOffset: BigInt(firstOffset) };
};

test("committedBatches() leaves out several transactions of one producer, and none of others between them", () => {
  const batches = [
    batch(0, 1),
    batch(1, 2),
    end(2, 1),
    batch(3, 1),
    end(4, 1),
    batch(5, 1),
    batch(6, -1, 0),
    end(7, 1),
  ];
  const kept = committedBatches(batches, [aborted(1, 5), aborted(1, 0)]);
  assert.deepEqual(kept.map(({ firstOffset }) => Number(firstOffset)), [1, 3, 6]);
});

test("committedBatches() leaves out one whose end has not come yet, and one that began before", () => {
  assert.deepEqual(committedBatches([batch(9, 1), end(10, 1), batch(11, 1)], [aborted(1, 4)]), [batch(11, 1)]);
  assert.deepEqual(committedBatches([batch(9, 1), batch(10, 1)], [aborted(1, 9)]), []);
});
