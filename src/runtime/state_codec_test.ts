import { test } from "node:test";
import assert from "node:assert/strict";
import { DateTime } from "../value/datetime.ts";
import { SeededRandom } from "../value/seeded_random.ts";
import { setOwn, type Struct, type Value } from "../value/value.ts";
import { decodeState, encodeState } from "./state_codec.ts";

const cases: readonly Value[] = [
  null,
  undefined,
  true,
  0,
  -0,
  NaN,
  Infinity,
  -Infinity,
  1.5,
  0n,
  -9223372036854775808n,
  "",
  "\u0001i",
  [],
  {},
  ["\u0001i", "5"],
  [["\u0001l"], "\u0001u"],
  [undefined, null, 1n],
  new Uint8Array([0, 255]),
  new DateTime(1_767_323_045_123, "Europe/Berlin"),
  { a: undefined, b: [{ c: 1n }], "": null },
  JSON.parse('{"__proto__": 1, "constructor": {"toString": null}}') as Struct,
];

for (const value of cases) {
  test(`encodeState() and decodeState() keep ${encodeState(value)}`, () => {
    assert.deepEqual(decodeState(encodeState(value)), value);
  });
}

test("encodeState() keeps holes apart from nulls: a slot that is not computed yet must be computed after a restore", () => {
  const slots: Value[] = [];
  slots[2] = null;
  const back = decodeState(encodeState(slots)) as Value[];
  assert.deepEqual(Array.from(back), [undefined, undefined, null]);
});

test("encodeState() keeps random values", () => {
  const random = new SeededRandom(11);
  const draw = (depth: number): Value => {
    switch (random.below(depth > 0 ? 9 : 7)) {
      case 0:
        return null;
      case 1:
        return random.float();
      case 2:
        return BigInt.asIntN(64, BigInt(random.uint32()) * BigInt(random.uint32()));
      case 3:
        return random.text();
      case 4:
        return random.below(2) === 0;
      case 5:
        return undefined;
      case 6:
        return random.pick(["\u0001i", "\u0001f", "\u0001b", "\u0001t", "\u0001l", "\u0001u"]);
      case 7:
        return Array.from({ length: random.below(4) }, () => draw(depth - 1));
      default: {
        const struct: Struct = {};
        for (let i = random.below(4); i > 0; i--) setOwn(struct, random.text(), draw(depth - 1));
        return struct;
      }
    }
  };
  for (let i = 0; i < 2000; i++) {
    const value = draw(4);
    assert.deepEqual(decodeState(encodeState(value)), value);
  }
});

test("decodeState() refuses what is not JSON", () => {
  assert.throws(() => decodeState("{"), SyntaxError);
});
