import assert from "node:assert/strict";
import { test } from "node:test";
import { UnitRests } from "./unit_rests.ts";

test("a unit rests longer each time it does not answer, up to a limit, and not at all once it has", () => {
  const rests = new UnitRests(100, 1000);
  const lengths: number[] = [];
  for (let i = 0; i < 6; i++) {
    rests.begin(7, 5000);
    lengths.push(rests.left(7, 5000));
  }
  assert.deepEqual(lengths, [100, 200, 400, 800, 1000, 1000]);
  assert.equal(rests.left(7, 5999), 1);
  assert.equal(rests.left(7, 6000), 0);
  assert.equal(rests.left(8, 5000), 0, "others do not rest");
  rests.end(7);
  rests.begin(7, 5000);
  assert.equal(rests.left(7, 5000), 100);
});

test("the first rest counts where it is longer than the limit", () => {
  const rests = new UnitRests(5000, 1000);
  rests.begin(1, 0);
  assert.equal(rests.left(1, 0), 5000);
});

test("a clock that is set back makes no rest longer", () => {
  const rests = new UnitRests(100, 1000);
  rests.begin(1, 1_000_000);
  assert.equal(rests.left(1, 500), 100);
  assert.equal(rests.left(1, 600), 0);
});
