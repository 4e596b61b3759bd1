import assert from "node:assert/strict";
import { test } from "node:test";
import { RowError } from "../diagnostics/row_error.ts";
import { DateTime } from "../value/datetime.ts";
import { SeededRandom } from "../value/seeded_random.ts";
import { setOwn, type Struct, type Value } from "../value/value.ts";
import { codecOf } from "./codecs.ts";
import { valuesMax } from "./document_decoder.ts";
import { threadMs } from "../../tests/thread_time.ts";

const formats = ["msgpack", "cbor"] as const;
const wanted = "all" as const;

const struct = (...entries: [string, Value][]): Struct => {
  const made: Struct = {};
  for (const [key, value] of entries) setOwn(made, key, value);
  return made;
};

const row = struct(
  [
    "i",
    [
      ...[0, 1, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296].map(BigInt),
      9223372036854775807n,
      ...[-1, -32, -33, -128, -129, -32768, -32769, -2147483648, -2147483649].map(BigInt),
      -9223372036854775808n,
    ],
  ],
  ["f", [0.1, 1e300, -2.3]],
  ["t", ["", "short", "ü", "x".repeat(40)]],
  ["b", [new Uint8Array(), new Uint8Array([0, 255])]],
  ["n", null],
  ["yes", true],
  ["no", false],
  ["o", { a: { b: [] }, "": {} }],
  ["__proto__", 1n],
  ["constructor", 2n],
  ["list", Array.from({ length: 20 }, (_, i) => BigInt(i))],
  ["map", struct(...Array.from({ length: 16 }, (_, i): [string, Value] => [`k${i}`, BigInt(i)]))],
);

/** `row` as the Python packages msgpack 1.0.3 and cbor2 5.4.6 write it. */
const golden = {
  msgpack: [
    "8ca169dc001500017fcc80ccffcd0100cdffffce00010000ceffffffffcf0000000100000000cf7fffffffffffffffffe0d0",
    "dfd080d1ff7fd18000d2ffff7fffd280000000d3ffffffff7fffffffd38000000000000000a16693cb3fb999999999999acb",
    "7e37e43c8800759ccbc002666666666666a17494a0a573686f7274a2c3bcd928787878787878787878787878787878787878",
    "78787878787878787878787878787878787878787878a16292c400c40200ffa16ec0a3796573c3a26e6fc2a16f82a16181a1",
    "6290a080a95f5f70726f746f5f5f01ab636f6e7374727563746f7202a46c697374dc0014000102030405060708090a0b0c0d",
    "0e0f10111213a36d6170de0010a26b3000a26b3101a26b3202a26b3303a26b3404a26b3505a26b3606a26b3707a26b3808a2",
    "6b3909a36b31300aa36b31310ba36b31320ca36b31330da36b31340ea36b31350f",
  ].join(""),
  cbor: [
    "ac6169950001187f188018ff19010019ffff1a000100001affffffff1b00000001000000001b7fffffffffffffff20381f38",
    "20387f3880397fff3980003a7fffffff3a800000003b7fffffffffffffff616683fb3fb999999999999afb7e37e43c880075",
    "9cfbc002666666666666617484606573686f727462c3bc782878787878787878787878787878787878787878787878787878",
    "787878787878787878787878787878616282404200ff616ef663796573f5626e6ff4616fa26161a161628060a0695f5f7072",
    "6f746f5f5f016b636f6e7374727563746f7202646c69737494000102030405060708090a0b0c0d0e0f10111213636d6170b0",
    "626b3000626b3101626b3202626b3303626b3404626b3505626b3606626b3707626b3808626b3909636b31300a636b31310b",
    "636b31320c636b31330d636b31340e636b31350f",
  ].join(""),
};

const bytesOf = (hex: string) => Uint8Array.fromHex(hex);

const decoded = (format: string, hex: string, columns: ReadonlySet<string> | "all" = wanted) =>
  codecOf(format).createDecoder({ wanted: columns }).decode(bytesOf(hex));

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof RowError, String(error));
    return `${error.code}: ${error.message}`;
  }
  assert.fail("nothing was refused");
}

for (const format of formats) {
  test(`${format}: reads and writes the bytes of another implementation`, () => {
    assert.deepEqual(decoded(format, golden[format]), [row]);
    assert.equal((codecOf(format).createEncoder({}).encodeRow(row) as Uint8Array).toHex(), golden[format]);
  });

  test(`${format}: a part of a larger buffer is decoded in place, and nothing of the buffer is kept`, () => {
    const payload = bytesOf(golden[format]);
    const buffer = new Uint8Array(payload.length + 20).fill(0xa5);
    buffer.set(payload, 10);
    const [made] = codecOf(format).createDecoder({ wanted }).decode(buffer, 10, 10 + payload.length);
    buffer.fill(0);
    assert.deepEqual(made, row);
  });

  test(`${format}: of wanted columns only, others are passed over whatever they hold`, () => {
    assert.deepEqual(decoded(format, golden[format], new Set(["no", "constructor", "absent"])), [
      { no: false, constructor: 2n },
    ]);
  });

  test(`${format}: sizes at which the form of a text, of bytes, of an array and of a map changes`, () => {
    const encoder = codecOf(format).createEncoder({});
    const decoder = codecOf(format).createDecoder({ wanted });
    for (const size of [0, 1, 15, 16, 23, 24, 25, 31, 32, 255, 256, 65535, 65536, 100_000]) {
      const made = {
        text: "z".repeat(size),
        wide: "é".repeat(size),
        bytes: new Uint8Array(size).fill(7),
        array: new Array(size).fill(null),
        map: Object.fromEntries(Array.from({ length: size }, (_, i) => [`k${i}`, true])),
      };
      assert.deepEqual(decoder.decode(encoder.encodeRow(made) as Uint8Array), [made], String(size));
    }
  });

  test(`${format}: floats stay floats, also whole ones, and what JSON has no word for`, () => {
    const floats = [0, -0, 1, 1.5, 1e20, 2 ** 53, NaN, Infinity, -Infinity, 5e-324, 0.1];
    const payload = codecOf(format).createEncoder({}).encodeRow({ floats }) as Uint8Array;
    const [made] = codecOf(format).createDecoder({ wanted }).decode(payload);
    assert.deepEqual(made!.floats, floats);
    assert.ok(Object.is((made!.floats as number[])[1], -0));
  });

  test(`${format}: datetimes come back to the millisecond`, () => {
    const encoder = codecOf(format).createEncoder({});
    const decoder = codecOf(format).createDecoder({ wanted });
    for (const ms of [0, 1, 999, -1, 1767323045678, 1767323045000, -631065354322, 2 ** 32 * 1000, 2 ** 35 * 1000 + 7]) {
      const [made] = decoder.decode(encoder.encodeRow({ t: new DateTime(ms) }) as Uint8Array);
      assert.equal((made!.t as DateTime).ms, ms);
    }
  });

  test(`${format}: an array of maps is rows, and joinRows() makes the same`, () => {
    const encoder = codecOf(format).createEncoder({});
    const decoder = codecOf(format).createDecoder({ wanted });
    for (const count of [0, 1, 2, 15, 16, 30, 70_000]) {
      const rows = Array.from({ length: count }, (_, i) => ({ a: BigInt(i), b: "x" }));
      const payload = encoder.encodeRows(rows) as Uint8Array;
      assert.deepEqual(decoder.decode(payload), rows);
      assert.deepEqual(encoder.joinRows!(rows.map((each) => encoder.encodeRow(each))), payload);
    }
    assert.deepEqual(encoder.encodeRow({ a: undefined, b: 1n }), encoder.encodeRow({ b: 1n }));
  });

  test(`${format}: declared columns are the only ones, and have their types`, () => {
    const payload = codecOf(format).createEncoder({}).encodeRow({
      n: 1n,
      f: 2n,
      text: 5.5,
      at: new DateTime(5),
      raw: new Uint8Array([1]),
      more: "x",
      list: [{ a: 1.0, b: 2n }],
    }) as Uint8Array;
    const columns = [
      { name: "n", type: { kind: "bigint" } },
      { name: "f", type: { kind: "float" } },
      { name: "text", type: { kind: "string" } },
      { name: "at", type: { kind: "datetime" } },
      { name: "raw", type: { kind: "bytea" } },
      {
        name: "list",
        type: { kind: "array", element: { kind: "struct", columns: [{ name: "a", type: { kind: "bigint" } }] } },
      },
      { name: "absent", type: { kind: "float" } },
    ] as const;
    assert.deepEqual(codecOf(format).createDecoder({ wanted, columns }).decode(payload), [
      { n: 1n, f: 2, text: "5.5", at: new DateTime(5), raw: new Uint8Array([1]), list: [{ a: 1n }] },
    ]);
    const few = codecOf(format).createDecoder({ wanted: new Set(["f", "more"]), columns }).decode(payload);
    assert.deepEqual(few, [{ f: 2 }]);
    const wrong = [{ name: "raw", type: { kind: "bigint" } }] as const;
    assert.match(
      refusal(() => codecOf(format).createDecoder({ wanted, columns: wrong }).decode(payload)),
      /^E501: Cannot decode the message: column "raw" is declared bigint, found an object/,
    );
  });

  test(`${format}: a payload cut off anywhere is refused, and so are bytes behind it`, () => {
    const payload = bytesOf(golden[format]);
    const decoder = codecOf(format).createDecoder({ wanted });
    for (let end = 0; end < payload.length; end++) {
      assert.match(refusal(() => decoder.decode(payload, 0, end)), /E501: .* the payload ends within a value/);
      assert.match(
        refusal(() => codecOf(format).createDecoder({ wanted: new Set() }).decode(payload, 0, end)),
        /the payload ends within a value/,
      );
    }
    assert.match(refusal(() => decoder.decode(new Uint8Array([...payload, 0]))), /1 bytes follow the value/);
  });

  test(`${format}: garbage never hangs and gives rows or E501`, () => {
    const payload = bytesOf(golden[format]);
    const random = new SeededRandom(11);
    const decoders = [wanted, new Set(["map"])].map((each) => codecOf(format).createDecoder({ wanted: each }));
    const started = threadMs();
    let read = 0;
    for (let round = 0; round < 20_000; round++) {
      const garbage = round % 2 === 0
        ? payload.slice()
        : Uint8Array.from({ length: random.below(60) }, () => random.below(256));
      for (let i = 0; i < 3 && garbage.length > 0; i++) garbage[random.below(garbage.length)] = random.below(256);
      for (const decoder of decoders) {
        try {
          read += decoder.decode(garbage).length;
        } catch (error) {
          assert.ok(error instanceof RowError && error.code === "E501", String(error));
        }
      }
    }
    assert.ok(read > 1000, `${read} rows`);
    assert.ok(threadMs() - started < 20_000);
  });

  test(`${format}: what is no row, or nests too deeply to be written, is refused`, () => {
    const encoder = codecOf(format).createEncoder({});
    let deep: Value = 1n;
    for (let i = 0; i < 2000; i++) deep = [deep];
    assert.match(refusal(() => encoder.encodeRow({ deep })), /E508: .*nested over 1000 levels/);
    assert.deepEqual(encoder.encodeRow({ a: 1n }), codecOf(format).createEncoder({}).encodeRow({ a: 1n }));
    let wide: Value = "x".repeat(1000);
    for (let i = 0; i < 6; i++) wide = new Array(20).fill(wide);
    assert.match(refusal(() => encoder.encodeRow({ wide })), /E508: Cannot encode a payload of over 33554432 bytes/);
  });
}

test("random rows come back from each format as they were", () => {
  const random = new SeededRandom(5);
  const value = (depth: number): Value => {
    switch (random.below(depth > 4 ? 7 : 9)) {
      case 0:
        return null;
      case 1:
        return random.below(2) === 1;
      case 2:
        return BigInt.asIntN(random.below(65), BigInt(random.uint32()) << 32n | BigInt(random.uint32()));
      case 3:
        return random.below(1000) / 8;
      case 4:
        return (random.uint32() / 7) * 10 ** (random.below(600) - 300);
      case 5:
        return String.fromCodePoint(...Array.from({ length: random.below(40) }, () => 32 + random.below(1000)));
      case 6:
        return Uint8Array.from({ length: random.below(40) }, () => random.below(256));
      case 7:
        return Array.from({ length: random.below(6) }, () => value(depth + 1));
      default:
        return struct(
          ...Array.from({ length: random.below(6) }, (_, i): [string, Value] => [`k${i}`, value(depth + 1)]),
        );
    }
  };
  for (const format of formats) {
    const encoder = codecOf(format).createEncoder({});
    const decoder = codecOf(format).createDecoder({ wanted });
    for (let round = 0; round < 3000; round++) {
      const made = struct(["a", value(0)], ["b", value(0)]);
      assert.deepEqual(decoder.decode(encoder.encodeRow(made) as Uint8Array), [made], `${format}, round ${round}`);
    }
  }
});

// From here on the bytes are those of the Python packages again.

test("msgpack: whole numbers beyond 64 bits are floats, extensions structs, single floats floats", () => {
  assert.deepEqual(decoded("msgpack", "81a175cfffffffffffffffff"), [{ u: 2 ** 64 }]);
  assert.deepEqual(decoded("msgpack", "81a165c70305616263"), [
    { e: { type: 5n, data: new TextEncoder().encode("abc") } },
  ]);
  assert.deepEqual(decoded("msgpack", "81a166ca3fc00000"), [{ f: 1.5 }]);
  assert.deepEqual(decoded("msgpack", "9281a1610182a16102a162a178"), [{ a: 1n }, { a: 2n, b: "x" }]);
});

test("msgpack: timestamps in all three sizes", () => {
  const cases = [
    ["81a174d7ffa1a5d600695735a5", "2026-01-02T03:04:05.678Z"],
    ["81a174d6ff695735a5", "2026-01-02T03:04:05Z"],
    ["81a174c70cff28697580ffffffffda62df25", "1950-01-02T03:04:05.678Z"],
  ] as const;
  for (const [hex, text] of cases) {
    const [made] = decoded("msgpack", hex);
    assert.equal((made!.t as DateTime).ms, Date.parse(text));
    assert.equal((codecOf("msgpack").createEncoder({}).encodeRow(made!) as Uint8Array).toHex(), hex);
  }
  assert.match(refusal(() => decoded("msgpack", "81a174d7ffffffffff695735a5")), /a timestamp is not valid/);
  assert.match(refusal(() => decoded("msgpack", "81a174d5ff0000")), /a timestamp is not valid/);
});

test("msgpack: what is no map, or has keys that are no names, is refused with its place", () => {
  assert.match(
    refusal(() => decoded("msgpack", "05")),
    /^E501: Cannot decode MessagePack at byte 0: the payload is no/,
  );
  assert.match(refusal(() => decoded("msgpack", "9281a1610105")), /at byte 5: item 1 is no map/);
  assert.match(refusal(() => decoded("msgpack", "81c000")), /a key of a map is neither text nor a whole number/);
  assert.match(refusal(() => decoded("msgpack", "81a161c1")), /0xc1 is never used/);
  assert.deepEqual(decoded("msgpack", "8207ff38c3"), [{ "7": -1n, "56": true }]);
});

test("msgpack: bombs of nesting and of counts are refused at once", () => {
  const deep = new Uint8Array(2_000_000).fill(0x91);
  deep.set([0x81, 0xa1, 0x61]);
  assert.match(refusal(() => codecOf("msgpack").createDecoder({ wanted }).decode(deep)), /nested over 256 levels deep/);
  const skipped = codecOf("msgpack").createDecoder({ wanted: new Set(["b"]) });
  assert.match(refusal(() => skipped.decode(deep)), /the payload ends within a value/);
  assert.match(refusal(() => decoded("msgpack", "81a161ddffffffff")), /the payload ends within a value/);
  assert.match(refusal(() => decoded("msgpack", "ddffffffff80")), /the payload ends within a value/);
  const many = new Uint8Array(valuesMax + 20).fill(0x80);
  many.set([0xdd, 0, 0x0f, 0x42, 0x4b]);
  assert.match(refusal(() => codecOf("msgpack").createDecoder({ wanted }).decode(many)), /over 1000000 values/);
});

test("cbor: dates, bignums, decimal fractions and half floats", () => {
  for (
    const hex of [
      "a16174c0781b323032362d30312d30325430333a30343a30352e3637383030305a",
      "a16174c1fb41da55cd696b645a",
    ]
  ) assert.deepEqual(decoded("cbor", hex), [{ t: new DateTime(1767323045678) }]);
  assert.deepEqual(decoded("cbor", "a16174c11a695735a5"), [{ t: new DateTime(1767323045000) }]);
  assert.deepEqual(decoded("cbor", "a16174c1fbc1c2ce906d29374c"), [{
    t: new DateTime(Date.parse("1950-01-02T03:04:05.678Z")),
  }]);
  assert.deepEqual(
    decoded(
      "cbor",
      "a561751bffffffffffffffff6176c24940000000000000000061773bffffffffffffffff6164c48221196ab36468616c66fb3ff8000000000000",
    ),
    [{ u: 2 ** 64, v: 2 ** 70, w: -(2 ** 64), d: 273.15, half: 1.5 }],
  );
  assert.deepEqual(decoded("cbor", "a263696e66f97c006468616c66f93e00"), [{ inf: Infinity, half: 1.5 }]);
});

/** RFC 8949, appendix A: the value of `{"a": …}`. */
const vectors: readonly (readonly [string, Value])[] = [
  ["f90000", 0],
  ["f98000", -0],
  ["f93c00", 1],
  ["fb3ff199999999999a", 1.1],
  ["f97bff", 65504],
  ["fa47c35000", 100000],
  ["fa7f7fffff", 3.4028234663852886e+38],
  ["f90001", 5.960464477539063e-8],
  ["f90400", 0.00006103515625],
  ["f9c400", -4],
  ["f9fc00", -Infinity],
  ["f97e00", NaN],
  ["f7", null],
  ["c249010000000000000000", 18446744073709551616],
  ["c349010000000000000000", -18446744073709551617],
  ["c243010000", 65536n],
  ["c074323031332d30332d32315432303a30343a30305a", new DateTime(Date.parse("2013-03-21T20:04:00Z"))],
  ["c11a514b67b0", new DateTime(1363896240000)],
  ["c1fb41d452d9ec200000", new DateTime(1363896240500)],
  ["d74401020304", new Uint8Array([1, 2, 3, 4])],
  ["d818456449455446", new Uint8Array([0x64, 0x49, 0x45, 0x54, 0x46])],
  ["d82076687474703a2f2f7777772e6578616d706c652e636f6d", "http://www.example.com"],
  ["62c3bc", "ü"],
  ["64f0908591", "\u{10151}"],
  ["83018202039f0405ff", [1n, [2n, 3n], [4n, 5n]]],
  ["9f018202039f0405ffff", [1n, [2n, 3n], [4n, 5n]]],
  ["5f42010243030405ff", new Uint8Array([1, 2, 3, 4, 5])],
  ["7f657374726561646d696e67ff", "streaming"],
  ["bf61610161629f0203ffff", { a: 1n, b: [2n, 3n] }],
  ["826161bf61626163ff", ["a", { b: "c" }]],
  ["bf6346756ef563416d7421ff", { Fun: true, Amt: -2n }],
  ["a201020304", { "1": 2n, "3": 4n }],
  ["c48221196ab3", 273.15],
  ["c5822003", 1.5],
];

test("cbor: the vectors of RFC 8949", () => {
  for (const [hex, value] of vectors) {
    assert.deepEqual(decoded("cbor", `a16161${hex}`), [{ a: value }], hex);
    assert.deepEqual(decoded("cbor", `d9d9f7a26162${hex}616101`, new Set(["a"])), [{ a: 1n }], `${hex} passed over`);
    assert.deepEqual(decoded("cbor", `bf6162${hex}616101ff`, new Set(["a"])), [{ a: 1n }], `${hex} passed over`);
    assert.deepEqual(decoded("cbor", `9fa16161${hex}ff`), [{ a: value }], `${hex} in a row of an array`);
  }
});

test("cbor: what is not well-formed or has no meaning here is refused with its place", () => {
  const cases = [
    ["a16161ff", /at byte 3: a break stands where nothing ends/],
    ["a16161f8ff", /a simple value without meaning/],
    ["a16161f0", /a simple value without meaning/],
    ["a161611c", /low bits/],
    ["a16161c001", /a date is not valid: found a whole number/],
    ["a16161c06161", /a date is not valid: found a string/],
    ["a16161c1fb7ff0000000000000", /a date is not valid/],
    ["a16161c201", /a bignum is not valid/],
    ["a16161c48101", /a fraction is not valid: found an array/],
    ["a161615f6161ff", /a chunk of a string is no string of its kind/],
    ["a161617f7f6161ffff", /a chunk of a string is no string of its kind/],
    ["a1f601", /a key of a map is neither text nor a whole number/],
    ["01", /the payload is no map/],
    ["a161619bffffffffffffffff", /the payload ends within a value/],
    ["a161617bffffffffffffffff", /the payload ends within a value/],
  ] as const;
  for (const [hex, message] of cases) assert.match(refusal(() => decoded("cbor", hex)), message, hex);
});

test("cbor: bombs of nesting and of counts are refused at once", () => {
  for (const head of [0x81, 0x9f, 0xc2, 0xd8]) {
    const deep = new Uint8Array(2_000_000).fill(head);
    deep.set([0xa1, 0x61, 0x61]);
    const decoder = codecOf("cbor").createDecoder({ wanted });
    assert.match(refusal(() => decoder.decode(deep)), /nested over 256 levels deep/);
    const skipping = codecOf("cbor").createDecoder({ wanted: new Set(["b"]) });
    assert.match(refusal(() => skipping.decode(deep)), /nested over 256 levels deep|ends within a value/);
  }
  const many = new Uint8Array(valuesMax + 20).fill(0xa0);
  many.set([0xa1, 0x61, 0x61, 0x9f]);
  assert.match(refusal(() => codecOf("cbor").createDecoder({ wanted }).decode(many)), /over 1000000 values/);
});
