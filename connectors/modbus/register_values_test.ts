import assert from "node:assert/strict";
import { test } from "node:test";
import type { Value } from "../../src/value/value.ts";
import {
  BadValue,
  decodeWords,
  encodeWords,
  type Order,
  withBit,
  type WordFormat,
  wordsOf,
} from "./register_values.ts";

const orders: readonly Order[] = ["big", "little"];
type Whole = Exclude<WordFormat, { readonly type: "bit" }>;

const be = { byteOrder: "big", wordOrder: "big" } as const;

/** Words as a device would show them, with what they mean. */
const known: readonly [words: number[], format: Whole, value: Value][] = [
  [[0xffff], { type: "int16", ...be }, -1n],
  [[0xffff], { type: "uint16", ...be }, 65535n],
  [[0x3412], { type: "uint16", byteOrder: "little", wordOrder: "big" }, 0x1234n],
  [[0x0001, 0x86a0], { type: "int32", ...be }, 100_000n],
  [[0x86a0, 0x0001], { type: "int32", byteOrder: "big", wordOrder: "little" }, 100_000n],
  [[0x0100, 0xa086], { type: "uint32", byteOrder: "little", wordOrder: "big" }, 100_000n],
  [[0xa086, 0x0100], { type: "uint32", byteOrder: "little", wordOrder: "little" }, 100_000n],
  [[0xffff, 0xffff, 0xffff, 0xfffe], { type: "int64", ...be }, -2n],
  [[0xffff, 0xffff, 0xffff, 0xfffe], { type: "uint64", ...be }, 18446744073709551614n],
  [[0x41aa, 0x6666], { type: "float32", ...be }, 21.3],
  [[0x6666, 0x41aa], { type: "float32", byteOrder: "big", wordOrder: "little" }, 21.3],
  [[0x400921fb >>> 16, 0x21fb, 0x5444, 0x2d18], { type: "float64", ...be }, Math.PI],
  [[0x1234], { type: "bcd16", ...be }, 1234n],
  [[0x1234, 0x5678], { type: "bcd32", ...be }, 12_345_678n],
  [[0x5678, 0x1234], { type: "bcd32", byteOrder: "big", wordOrder: "little" }, 12_345_678n],
  [[0x5056, 0x2d37, 0], { type: "string", length: 6, byteOrder: "big" }, "PV-7"],
  [[0x5650, 0x372d, 0], { type: "string", length: 6, byteOrder: "little" }, "PV-7"],
  [[0x4142, 0x4300], { type: "string", length: 3, byteOrder: "big" }, "ABC"],
  [[1], { type: "bool", byteOrder: "big" }, true],
  [[0], { type: "bool", byteOrder: "big" }, false],
];

for (const [words, format, value] of known) {
  const shown = `${JSON.stringify(format)} ${words.map((word) => word.toString(16))}`;
  test(`decodeWords() and encodeWords() of ${shown}`, () => {
    assert.deepEqual(decodeWords(words, format), value);
    assert.deepEqual(encodeWords(value, format), words);
    assert.deepEqual(decodeWords([9, 9, ...words], format, 2), value, "also further back");
  });
}

const badWords: readonly [words: number[], format: WordFormat, reason: string][] = [
  [[0x7fc0, 0], { type: "float32", ...be }, "the float32 is NaN"],
  [[0xff80, 0], { type: "float32", ...be }, "the float32 is -Infinity"],
  [[0x7ff0, 0, 0, 0], { type: "float64", ...be }, "the float64 is Infinity"],
  [[0x12a4], { type: "bcd16", ...be }, "the bcd16 has the digit 10"],
  [[0xffff], { type: "string", length: 2, byteOrder: "big" }, "the string is not UTF-8"],
];

for (const [words, format, message] of badWords) {
  test(`decodeWords() refuses: ${message}`, () => {
    assert.throws(() => decodeWords(words, format), { name: "BadValue", message });
  });
}

const badValues: readonly [value: Value, format: Whole, message: string][] = [
  [70_000n, { type: "uint16", ...be }, "Cannot write 70000 as a uint16: wanted a whole number from 0 to 65535"],
  [-1n, { type: "uint32", ...be }, "Cannot write -1 as a uint32: wanted a whole number from 0 to 4294967295"],
  [1.5, { type: "int16", ...be }, "Cannot write 1.5 as an int16: wanted a whole number from -32768 to 32767"],
  [NaN, { type: "int16", ...be }, "Cannot write NaN as an int16: wanted a whole number from -32768 to 32767"],
  ["7", { type: "int16", ...be }, 'Cannot write "7" as an int16: wanted a whole number from -32768 to 32767'],
  [10_000n, { type: "bcd16", ...be }, "Cannot write 10000 as a bcd16: wanted a whole number from 0 to 9999"],
  [1e39, { type: "float32", ...be }, "Cannot write 1e+39 as a float32: wanted a number in its range"],
  [null, { type: "float64", ...be }, "Cannot write null as a float64: wanted a number in its range"],
  [
    "Zürich",
    { type: "string", length: 6, byteOrder: "big" },
    'Cannot write "Zürich" as a string: ' +
    "wanted at most 6 bytes, and it has 7",
  ],
  [
    "a\0",
    { type: "string", length: 6, byteOrder: "big" },
    'Cannot write "a\\u0000" as a string: ' +
    "wanted a text without NUL",
  ],
  [2n, { type: "bool", byteOrder: "big" }, "Cannot write 2 as a bool: wanted true, false, 0 or 1"],
];

for (const [value, format, message] of badValues) {
  test(`encodeWords(): ${message}`, () => {
    assert.throws(() => encodeWords(value, format), { name: "BadValue", message });
  });
}

/** The same numbers in every run. */
function random(seed: number): () => number {
  return () => {
    seed = Math.imul(seed ^ seed >>> 15, 0x2c1b3c6d) + 0x9e3779b9 | 0;
    return (seed >>> 0) / 2 ** 32;
  };
}

test("encodeWords() gives the words back that decodeWords() has read, for every type and order", () => {
  const next = random(7);
  const types = [
    "int16",
    "int32",
    "int64",
    "uint16",
    "uint32",
    "uint64",
    "bcd16",
    "bcd32",
    "float32",
    "float64",
  ] as const;
  let refused = 0;
  for (const type of types) {
    for (const byteOrder of orders) {
      for (const wordOrder of orders) {
        const format = { type, byteOrder, wordOrder };
        for (let i = 0; i < 500; i++) {
          const words = Array.from({ length: wordsOf(format) }, () => Math.floor(next() * 0x10000));
          try {
            const value = decodeWords(words, format);
            // Zero and minus zero are equal and differ in their bits.
            assert.deepEqual(encodeWords(value, format), words, `${type} ${byteOrder} ${wordOrder} ${value}`);
          } catch (error) {
            if (!(error instanceof BadValue)) throw error;
            refused++;
          }
        }
      }
    }
  }
  assert.ok(refused > 1000 && refused < 4500, `only digits and rare NaN are refused: ${refused}`);
});

test("decodeWords() gives texts back that encodeWords() has written", () => {
  const next = random(11);
  const letters = ["a", "Z", " ", "ü", "€", "😀"];
  for (let i = 0; i < 500; i++) {
    const value = Array.from({ length: next() * 8 }, () => letters[Math.floor(next() * letters.length)]).join("");
    const length = new TextEncoder().encode(value).length + Math.floor(next() * 3);
    for (const byteOrder of orders) {
      const format = { type: "string", length, byteOrder } as const;
      assert.equal(decodeWords(encodeWords(value, format), format), value);
    }
  }
});

test("a bit is read and written in its register", () => {
  for (let bit = 0; bit < 16; bit++) {
    for (const byteOrder of orders) {
      const format = { type: "bit", bit, byteOrder } as const;
      const on = withBit(0, true, format);
      assert.equal(on, byteOrder === "big" ? 1 << bit : 1 << (bit + 8) % 16);
      assert.equal(decodeWords([on], format), true);
      assert.equal(decodeWords([withBit(0xffff, false, format)], format), false);
      assert.equal(withBit(on, false, format), 0);
    }
  }
});

test("decodeWords() gives the shortest number that is the same float32", () => {
  const view = new DataView(new ArrayBuffer(4));
  const shortest = (value: number) => {
    for (let digits = 1; digits <= 9; digits++) {
      const short = Number(value.toPrecision(digits));
      if (Math.fround(short) === value) return short;
    }
    return value;
  };
  for (let i = 0; i < 20_000; i++) {
    // Readings with few decimals, and every other kind of number.
    if (i % 2 === 0) view.setFloat32(0, (i - 10_000) / 10 ** (i % 6));
    else view.setUint32(0, Math.imul(i, 0x9e3779b9) >>> 0);
    const value = view.getFloat32(0);
    if (!Number.isFinite(value)) continue;
    const decoded = decodeWords([view.getUint16(0), view.getUint16(2)], { type: "float32", ...be });
    assert.equal(decoded, shortest(value));
  }
});
