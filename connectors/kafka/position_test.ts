import assert from "node:assert/strict";
import { test } from "node:test";
import { AckOrder } from "./ack_order.ts";
import { type Offsets, readPosition, writePosition } from "./position.ts";

test("readPosition() reads what writePosition() wrote, for the same topic", () => {
  const offsets = new Map([[0, 5n], [12, 9_223_372_036_854_775_807n]]);
  const text = writePosition("t", offsets);
  assert.deepEqual(readPosition(text, "t"), offsets);
  assert.equal(readPosition(text, "u"), undefined);
});

for (
  const text of [
    "",
    "no position",
    "[]",
    "null",
    "{}",
    '{"topic":"t"}',
    '{"topic":"t","next":{"0":5}}',
    '{"topic":"t","next":{"x":"5"}}',
    '{"topic":"t","next":{"0":"-1"}}',
  ]
) {
  test(`readPosition() gives nothing for ${JSON.stringify(text)}`, () =>
    assert.equal(readPosition(text, "t"), undefined));
}

test("AckOrder tells only what all before is done with, in any order", () => {
  const order = new AckOrder();
  const told: Offsets[] = [];
  const add = (partition: number, offset: bigint) => {
    return order.add(new Map([[partition, offset]]), (offsets) => void told.push(offsets));
  };
  const [a, b, c] = [add(0, 1n), add(1, 7n), add(0, 2n)];
  c();
  b();
  assert.equal(told.length, 0);
  a();
  assert.deepEqual(told, [new Map([[0, 2n], [1, 7n]])]);
  add(0, 3n)();
  assert.deepEqual(told[1], new Map([[0, 3n]]));
});
