import assert from "node:assert/strict";
import { test } from "node:test";
import type { Value } from "../../src/value/value.ts";
import type { WordFormat } from "./register_values.ts";
import type { Tag } from "./tag.ts";
import { hasChanged, readTag, writeTag } from "./tag_value.ts";

const be = { byteOrder: "big", wordOrder: "big" } as const;

function tagOf(more: Partial<Tag>): Tag {
  return {
    name: "t",
    unitId: 1,
    register: "holding",
    address: 10,
    count: 1,
    format: { type: "uint16", ...be },
    scale: 1,
    offset: 0,
    unit: "",
    deadband: 0,
    report: "cycle",
    intervalMs: 1000,
    ...more,
  };
}

const both: readonly [words: number[], tag: Partial<Tag>, value: Value][] = [
  [[2215], {}, 2215n],
  [[2215], { scale: 0.1 }, 221.5],
  [[2215], { scale: 0.001 }, 2.215],
  [[2215], { scale: 10 }, 22150n],
  [[0xffff], { format: { type: "int16", ...be }, scale: 10, offset: 5 }, -5n],
  [[650], { scale: 0.1, offset: -40 }, 25],
  [[3], { scale: 1.5 }, 4.5],
  [[0x41ac, 0], { format: { type: "float32", ...be }, scale: 2, offset: 1 }, 44],
  [[1], { register: "coil", format: undefined }, true],
  [[0x4100], { format: { type: "string", length: 2, byteOrder: "big" } }, "A"],
];

for (const [words, more, value] of both) {
  test(`readTag() and writeTag() of ${value} in ${words} with ${JSON.stringify(more)}`, () => {
    const tag = tagOf(more);
    assert.deepEqual(readTag(tag, [7, 7, ...words], 8), value);
    assert.deepEqual(writeTag(tag, value), words);
  });
}

test("readTag() says when a value is beyond what a column can hold", () => {
  const huge = tagOf({ format: { type: "uint64", ...be } });
  const message = "18446744073709551615 is beyond the range of a bigint column";
  const words = [0xffff, 0xffff, 0xffff, 0xffff];
  assert.throws(() => readTag(huge, words, 10), { name: "BadValue", message });
  assert.equal(readTag({ ...huge, scale: 0.5 }, words, 10), 2 ** 63);
});

const refused: readonly [value: Value, tag: Partial<Tag>, message: string][] = [
  [25n, { scale: 10 }, "Cannot write 25: the tag has steps of 10"],
  [7000, { scale: 0.1 }, "Cannot write 70000 as a uint16: wanted a whole number from 0 to 65535"],
  ["on", { register: "coil", format: undefined }, 'Cannot write "on" as a bool: wanted true, false, 0 or 1'],
  [true, { scale: 0.1 }, "Cannot write true as a uint16: wanted a whole number from 0 to 65535"],
  [
    true,
    { format: { type: "bit", bit: 1, byteOrder: "big" } satisfies WordFormat },
    "A bit is written with the rest " +
    "of its register",
  ],
];

for (const [value, more, message] of refused) {
  test(`writeTag(): ${message}`, () => {
    assert.throws(() => writeTag(tagOf(more), value), { name: "BadValue", message });
  });
}

test("writeTag() takes a scaled float to the nearest number of an integer type", () => {
  assert.deepEqual(writeTag(tagOf({ scale: 0.1 }), 22.16), [222]);
  assert.deepEqual(writeTag(tagOf({ scale: 0.1 }), 22n), [220]);
  assert.deepEqual(writeTag(tagOf({}), 22), [22]);
});

const changes: readonly [deadband: number, value: Value, last: Value, changed: boolean][] = [
  [0, 1n, 1n, false],
  [0, 2n, 1n, true],
  [0, 1.5, 1.5, false],
  [0.5, 1.5, 1, false],
  [0.5, 1.51, 1, true],
  [2, 3n, 1n, false],
  [2, -2n, 1n, true],
  [2, 1n, undefined, true],
  [2, null, 1n, true],
  [0, true, false, true],
  [0, "a", "a", false],
];

test("hasChanged() looks at the deadband", () => {
  for (const [deadband, value, last, changed] of changes) {
    assert.equal(hasChanged(tagOf({ deadband }), value, last), changed, `${last} to ${value} with ${deadband}`);
  }
});
