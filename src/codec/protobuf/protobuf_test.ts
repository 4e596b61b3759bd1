import assert from "node:assert/strict";
import { test } from "node:test";
import { RowError } from "../../diagnostics/row_error.ts";
import { DateTime } from "../../value/datetime.ts";
import { SeededRandom } from "../../value/seeded_random.ts";
import { getOwn, setOwn, type Struct } from "../../value/value.ts";
import { valuesMax } from "../document_decoder.ts";
import { parseProto, ProtoError } from "./parse_proto.ts";
import { messageSchema } from "./schema.ts";
import { threadMs } from "../../../tests/thread_time.ts";

const plant = `syntax = "proto3";
package plant;
import "google/protobuf/timestamp.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/duration.proto";
import "common/units.proto";

enum State { UNKNOWN = 0; RUNNING = 1; FAILED = -5; }

message All {
  int32 i32 = 1; int64 i64 = 2; uint32 u32 = 3; uint64 u64 = 4; sint32 s32 = 5; sint64 s64 = 6;
  fixed32 f32 = 7; fixed64 f64 = 8; sfixed32 sf32 = 9; sfixed64 sf64 = 10;
  double d = 11; float f = 12; bool b = 13; string s = 14; bytes raw = 15; State state = 16;
  repeated int32 packed = 20; repeated int32 loose = 21 [packed = false]; repeated string names = 22;
  repeated double doubles = 23; repeated State states = 24;
  map<string, int64> counts = 30; map<int32, Part> parts = 31; map<bool, string> flags = 32;
  Part part = 40; repeated Part part_list = 41;
  oneof choice { string text = 50; int32 number = 51; Part other = 52; }
  optional int32 maybe = 60;
  google.protobuf.Timestamp at = 70; google.protobuf.Struct more = 71; google.protobuf.Int64Value wrapped = 72;
  google.protobuf.Duration took = 73; google.protobuf.Value any = 74; google.protobuf.ListValue list = 75;
  common.Unit unit = 80;
  message Part { string name = 1; double size = 2; Part inner = 3; }
}
message Few { int64 i64 = 2; string s = 14; }
`;

const units = `syntax = "proto3";
package common;
message Unit { string symbol = 1; }
`;

const old = `syntax = "proto2";
message Old {
  required string id = 1;
  optional int32 level = 2 [default = 7];
  optional string note = 3;
  repeated int32 list = 4;
  repeated int32 packed = 5 [packed = true];
  optional group Extra = 6 { optional string a = 1; repeated int32 b = 2; }
  optional Color color = 7 [default = BLUE];
  enum Color { RED = 1; BLUE = 2; }
  optional double ratio = 8 [default = -inf];
  optional bool on = 9 [default = true];
  optional bytes raw = 10 [default = "ab"];
  extensions 100 to 199;
}
extend Old { optional string ext = 100; }
`;

const files = new Map([["plant.proto", plant], ["common/units.proto", units], ["old.proto", old]]);

const wanted = "all" as const;

function schemaOf(file: string, message: string) {
  return messageSchema(message, parseProto(file, files.get(file)!, (name) => files.get(name)).message(message));
}

function schemaOfText(text: string, message: string) {
  return messageSchema(message, parseProto("t.proto", text, () => undefined).message(message));
}

const all = schemaOf("plant.proto", "plant.All");
const oldSchema = schemaOf("old.proto", "Old");

/** `row`, as the Python package protobuf 3.21 writes it. */
const allHex = [
  "08ffffffffffffffffff01108080808080808080800118ffffffff0f20ffffffffffffffff7f28ffffffff0f30ffffffffff",
  "ffffffff013dffffffff4101000000000000004dffffffff51ffffffffffffdfff599a9999999999b93f650000c03f680172",
  "02c3bc7a0200ff8001fbffffffffffffffff01a2010e0001ffffffffffffffffff01ac02a80101a80102b2010161b20100ba",
  "0110000000000000e03f00000000000000c0c201020001f2010c0a0161108180808080808010fa011008fdffffffffffffff",
  "ff0112030a017882020708011203796573c2020e0a01701a09110000000000000040ca02030a0171ca0200980300e00300b2",
  "040c08a5ebdcca061080eba5c302ba04250a230a016b121e321c0a0911000000000000f03f0a0208000a0b2a090a070a017a",
  "12022001c20400ca040408031005d204031a0176da04100a0911000000000000f83f0a031a01748205040a026b57",
].join("");

const row: Struct = {
  i32: -1n,
  i64: -9223372036854775808n,
  u32: 4294967295n,
  u64: 9223372036854775807n,
  s32: -2147483648n,
  s64: -9223372036854775808n,
  f32: 4294967295n,
  f64: 1n,
  sf32: -1n,
  sf64: -9007199254740993n,
  d: 0.1,
  f: 1.5,
  b: true,
  s: "ü",
  raw: new Uint8Array([0, 255]),
  state: -5n,
  packed: [0n, 1n, -1n, 300n],
  loose: [1n, 2n],
  names: ["a", ""],
  doubles: [0.5, -2],
  states: [0n, 1n],
  counts: { a: 9007199254740993n },
  parts: { "-3": { name: "x", size: 0 } },
  flags: { true: "yes" },
  part: { name: "p", size: 0, inner: { name: "", size: 2 } },
  part_list: [{ name: "q", size: 0 }, { name: "", size: 0 }],
  number: 0n,
  maybe: 0n,
  at: new DateTime(Date.parse("2026-01-02T03:04:05.678Z")),
  more: { k: [1, null, { z: true }] },
  wrapped: 0n,
  took: { seconds: 3n, nanos: 5n },
  any: "v",
  list: [1.5, "t"],
  unit: { symbol: "kW" },
};

const oldHex = "0a017810031a0020012096012a03019601330a0167100434380141000000000000e03f480052017aa2060165";

const oldRow: Struct = {
  id: "x",
  level: 3n,
  note: "",
  list: [1n, 150n],
  packed: [1n, 150n],
  extra: { a: "g", b: [4n] },
  color: 1n,
  ratio: 0.5,
  on: false,
  raw: new Uint8Array([122]),
  ext: "e",
};

const encoded = (schema: typeof all, value: Struct) => schema.createEncoder({}).encodeRow(value) as Uint8Array;

const decoded = (schema: typeof all, hex: string) =>
  schema.createDecoder({ wanted }).decode(Uint8Array.fromHex(hex))[0]!;

/** Rows that do not depend on the order of their columns. */
const sorted = (struct: Struct) => Object.fromEntries(Object.entries(struct).sort(([a], [b]) => a < b ? -1 : 1));

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof RowError, String(error));
    return `${error.code}: ${error.message}`;
  }
  assert.fail("nothing was refused");
}

test("reads and writes the bytes of another implementation: proto3", () => {
  assert.deepEqual(sorted(decoded(all, allHex)), sorted(row));
  assert.equal(encoded(all, row).toHex(), allHex);
});

test("reads and writes the bytes of another implementation: proto2 with groups and extensions", () => {
  assert.deepEqual(sorted(decoded(oldSchema, oldHex)), sorted(oldRow));
  assert.equal(encoded(oldSchema, oldRow).toHex(), oldHex);
});

test("an empty message has its defaults, and leaves out what has presence", () => {
  const none = decoded(all, "");
  assert.equal(none.i64, 0n);
  assert.equal(none.s, "");
  assert.equal(none.state, 0n);
  assert.deepEqual(none.raw, new Uint8Array());
  assert.deepEqual(none.names, []);
  assert.deepEqual(none.counts, {});
  for (const name of ["part", "text", "number", "maybe", "at", "any"]) assert.equal(name in none, false, name);
  assert.deepEqual(sorted(decoded(oldSchema, "0a0178")), {
    color: 2n,
    id: "x",
    level: 7n,
    list: [],
    on: true,
    packed: [],
    ratio: -Infinity,
    raw: new Uint8Array([97, 98]),
  });
  assert.equal(encoded(all, none).length, 0);
});

test("the columns of a message have the types of its fields", () => {
  const types = Object.fromEntries(all.columns.map(({ name, type }) => [name, type]));
  assert.deepEqual(types.u64, { kind: "bigint" });
  assert.deepEqual(types.f, { kind: "float" });
  assert.deepEqual(types.raw, { kind: "bytea" });
  assert.deepEqual(types.state, { kind: "bigint" });
  assert.deepEqual(types.names, { kind: "array", element: { kind: "string" } });
  assert.deepEqual(types.counts, { kind: "struct", columns: [] });
  assert.deepEqual(types.at, { kind: "datetime" });
  assert.deepEqual(types.wrapped, { kind: "bigint" });
  assert.deepEqual(types.unit, { kind: "struct", columns: [{ name: "symbol", type: { kind: "string" } }] });
});

test("a message that holds itself many times over has columns all the same", () => {
  const fields = Array.from({ length: 50 }, (_, i) => `M f${i} = ${i + 1};`).join(" ");
  const { columns } = schemaOfText(`syntax = "proto3"; message M { ${fields} }`, "M");
  assert.equal(columns.length, 50);
  assert.ok(JSON.stringify(columns).length < 200_000);
});

test("only wanted columns are made, unknown fields are passed over", () => {
  const decoder = all.createDecoder({ wanted: new Set(["s", "more", "absent", "number"]) });
  assert.deepEqual(decoder.decode(Uint8Array.fromHex(allHex)), [
    { s: "ü", more: { k: [1, null, { z: true }] }, number: 0n },
  ]);
  const few = schemaOf("plant.proto", "plant.Few");
  assert.deepEqual(decoded(few, allHex), { i64: -9223372036854775808n, s: "ü" });
  assert.deepEqual(decoded(few, oldHex), { i64: 3n, s: "" }, "groups too");
});

test("a payload in the middle of a buffer is read in place, and nothing of the buffer is kept", () => {
  const payload = Uint8Array.fromHex(allHex);
  const buffer = new Uint8Array(payload.length + 20).fill(0xa5);
  buffer.set(payload, 10);
  const [made] = all.createDecoder({ wanted }).decode(buffer, 10, 10 + payload.length);
  buffer.fill(0);
  assert.deepEqual(sorted(made!), sorted(row));
});

test("lists are read packed or not, whichever way the schema says", () => {
  assert.deepEqual(decoded(all, "a00101a00102").packed, [1n, 2n]);
  assert.deepEqual(decoded(all, "aa01020102").loose, [1n, 2n]);
});

test("parts of a message are merged, of alternatives the last one stays, of equal fields too", () => {
  const merged = decoded(all, "c202030a0161" + "c20209110000000000000040" + "0801" + "0802");
  assert.deepEqual(merged.part, { name: "a", size: 2 });
  assert.equal(merged.i32, 2n);
  const chosen = decoded(all, "92030161" + "980305");
  assert.equal(chosen.number, 5n);
  assert.equal("text" in chosen, false);
});

test("entries of maps may lack their key or their value", () => {
  assert.deepEqual(decoded(all, "f20100" + "f201030a0162" + "f2010e0a017a" + "10ffffffffffffffffff01").counts, {
    "": 0n,
    b: 0n,
    z: -1n,
  });
  assert.deepEqual(decoded(all, "fa0100").parts, { "0": { name: "", size: 0 } });
});

test("whole numbers beyond 64 bits are floats", () => {
  assert.equal(decoded(all, "20ffffffffffffffffff01").u64, 2 ** 64);
  assert.equal(decoded(all, "41ffffffffffffffff").f64, 2 ** 64);
});

test("values that fields can hold are converted, others are refused with the name of the field", () => {
  const back = (value: Struct) => decoded(all, encoded(all, value).toHex());
  assert.equal(back({ i32: 25 }).i32, 25n, "a whole float, as JSON without schema gives");
  assert.equal(back({ d: 3n }).d, 3);
  assert.equal(back({ state: "RUNNING" }).state, 1n);
  assert.deepEqual(back({ raw: "AQI=" }).raw, new Uint8Array([1, 2]));
  assert.equal(back({ i64: new DateTime(1500) }).i64, 1500n);
  assert.deepEqual(back({ at: 1500n }).at, new DateTime(1500));
  assert.deepEqual(back({ at: -1 }).at, new DateTime(-1));
  assert.deepEqual(back({ at: "2026-01-02T03:04:05Z" }).at, new DateTime(Date.parse("2026-01-02T03:04:05Z")));
  assert.deepEqual(back({ at: { seconds: 1, nanos: 5e8 } }).at, new DateTime(1500));
  assert.equal(back({ any: null }).any, null);
  assert.deepEqual(back({ any: [1n, "x", { y: new Uint8Array([1]) }] }).any, [1, "x", { y: "AQ==" }]);
  assert.equal(back({ wrapped: 5n }).wrapped, 5n);
  assert.ok(Object.is(back({ d: -0 }).d, -0));
  const cases: [Struct, RegExp][] = [
    [{ i32: 1.5 }, /^E508: Cannot encode field "i32": found 1.5, wanted a whole number \(int32\)/],
    [{ i32: "1" }, /field "i32": found the text "1"/],
    [{ i32: 2n ** 31n }, /Cannot encode 2147483648 in field "i32": outside of int32/],
    [{ u32: -1n }, /Cannot encode -1 in field "u32": outside of uint32/],
    [{ u64: -1 }, /outside of uint64/],
    [{ b: 1n }, /field "b": found 1, wanted true or false/],
    [{ s: 5n }, /field "s": found 5, wanted a text/],
    [{ state: "STOPPED" }, /field "state": found the text "STOPPED", wanted a number or a name of plant.State/],
    [{ names: "a" }, /field "names": found the text "a", wanted a list/],
    [{ names: ["a", null] }, /field "names\[1\]": found null, wanted a text/],
    [{ part: { inner: { size: "x" } } }, /field "part.inner.size": found the text "x", wanted a number/],
    [{ part: 5n }, /field "part": found 5, wanted plant.All.Part/],
    [{ part_list: [{}, { name: 1n }] }, /field "part_list\[1\].name": found 1/],
    [{ counts: { a: true } }, /field "counts.a": found true, wanted a whole number \(int64\)/],
    [{ parts: { x: {} } }, /field "parts": found the text "x", wanted keys of type int32/],
    [{ flags: { maybe: "x" } }, /wanted keys of type bool/],
    [{ counts: [1n] }, /field "counts": found a list, wanted an object/],
    [{ text: "a", number: 1n }, /Cannot encode both "text" and "number": they exclude each other/],
    [{ at: "soon" }, /field "at": found the text "soon", wanted google.protobuf.Timestamp/],
  ];
  for (const [value, message] of cases) assert.match(refusal(() => encoded(all, value)), message);
  assert.match(
    refusal(() => encoded(oldSchema, { id: null })),
    /E508: Cannot encode Old: the required field "id" is absent/,
  );
});

test("columns that the message has not are dropped, null ones left out; several rows want sendSingle", () => {
  assert.equal(encoded(all, { nothing: 1n, i32: null, s: undefined, text: null, number: 1n }).toHex(), "980301");
  const encoder = all.createEncoder({});
  assert.deepEqual(encoder.encodeRows([{ i32: 1n }]), encoder.encodeRow({ i32: 1n }));
  assert.match(refusal(() => encoder.encodeRows([{}, {}])), /set sendSingle to true/);
  assert.equal(encoder.joinRows, undefined);
});

test("long nested messages get the length that they have", () => {
  for (const size of [0, 1, 120, 125, 126, 127, 128, 129, 16_380, 16_384, 70_000]) {
    const value = { part: { name: "n".repeat(size), size: 1, inner: { name: "é".repeat(size), size: 0 } } };
    assert.deepEqual(decoded(all, encoded(all, value).toHex()).part, value.part, String(size));
  }
});

test("a payload cut off anywhere gives what stands before it or is refused", () => {
  const payload = Uint8Array.fromHex(allHex);
  const decoder = all.createDecoder({ wanted });
  let refused = 0;
  for (let end = 0; end < payload.length; end++) {
    try {
      decoder.decode(payload, 0, end);
    } catch (error) {
      assert.ok(error instanceof RowError);
      assert.match(error.message, /^Cannot decode plant.All at byte \d+: the payload ends within a value$/);
      refused++;
    }
  }
  assert.ok(refused > payload.length / 2);
});

test("what does not fit the schema is refused with the field", () => {
  const cases: [string, RegExp][] = [
    ["0d01020304", /E501: .*field "i32" is written in another type: found wire type 5, wanted 0/],
    ["f00105", /field "counts" is written in another type: found wire type 0, wanted 2/],
    ["0a0161", /field "i32" is written in another type/],
    ["07", /a field has no number|wire type 7/],
    ["0001", /a field has no number/],
    ["98ffffffffffffffffffff0101", /a whole number of over ten bytes/],
    ["ef0f01", /field 253 has the wire type 7, which does not exist/],
    ["ec0f", /group 253 ends without having begun/],
    ["eb0ff40f", /group 254 ends without having begun/],
    ["720aff", /the payload ends within a value/],
    ["b2040a08ffffffffffffffff7f", /a google.protobuf.Timestamp is not valid/],
  ];
  for (const [hex, message] of cases) assert.match(refusal(() => decoded(all, hex)), message, hex);
});

test("bombs of nesting and of empty messages are refused at once", () => {
  // A part within a part, each with a length that is right.
  let deep = new Uint8Array();
  const lengthOf = (size: number) => {
    const bytes: number[] = [];
    for (let rest = size; rest > 0 || bytes.length === 0; rest >>>= 7) {
      bytes.push(rest > 0x7f ? rest & 0x7f | 0x80 : rest);
    }
    return bytes;
  };
  for (let i = 0; i < 5000; i++) deep = new Uint8Array([0x1a, ...lengthOf(deep.length), ...deep]);
  const bomb = new Uint8Array([0xc2, 0x02, ...lengthOf(deep.length), ...deep]);
  assert.match(refusal(() => all.createDecoder({ wanted }).decode(bomb)), /nested over 256 levels deep/);
  const groups = new Uint8Array(1_000_000).fill(0xfb);
  for (let i = 1; i < groups.length; i += 2) groups[i] = 0x0f;
  assert.match(refusal(() => all.createDecoder({ wanted }).decode(groups)), /nested over 256 levels deep/);
  const parts = new Uint8Array(3 * valuesMax);
  for (let i = 0; i < parts.length; i += 3) parts.set([0xca, 0x02, 0], i);
  assert.match(refusal(() => all.createDecoder({ wanted }).decode(parts)), /over 1000000 values/);
  let wide: Struct = { name: "x".repeat(10_000) };
  for (let i = 0; i < 12; i++) wide = { part_list: [wide, wide] };
  const tree = schemaOfText(
    'syntax = "proto3"; message T { repeated T part_list = 1; string name = 2; }',
    "T",
  );
  assert.match(refusal(() => encoded(tree, wide)), /over 33554432 bytes/);
  assert.equal(encoded(tree, { name: "x" }).toHex(), "120178");
});

test("garbage never hangs and gives a row or E501", () => {
  const payload = Uint8Array.fromHex(allHex);
  const random = new SeededRandom(3);
  const decoders = [all, oldSchema].map((schema) => schema.createDecoder({ wanted }));
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
  assert.ok(read > 500, `${read} rows`);
});

test("names such as __proto__ are keys like others, and constructor a column", () => {
  const schema = schemaOfText(
    'syntax = "proto3"; message M { int32 constructor = 2; map<string, int32> map = 3; }',
    "M",
  );
  const map: Struct = {};
  setOwn(map, "__proto__", 1n);
  setOwn(map, "toString", 2n);
  const value: Struct = { map };
  setOwn(value, "constructor", 6n);
  const [made] = schema.createDecoder({ wanted }).decode(encoded(schema, value));
  assert.equal(getOwn(made!, "constructor"), 6n);
  assert.deepEqual(Object.entries(made!.map as Struct), [["__proto__", 1n], ["toString", 2n]]);
  assert.equal(Object.getPrototypeOf(made), Object.prototype);
  assert.equal(encoded(schema, {}).length, 0);
});

test("a file says which messages it defines, and what is wrong with it", () => {
  const parsed = parseProto("plant.proto", plant, (name) => files.get(name));
  assert.equal(parsed.package, "plant");
  assert.deepEqual(parsed.messages, ["plant.All", "plant.All.Part", "plant.Few"]);
  const wrong: [string, RegExp][] = [
    ["message M { int32 a = 1 }", /^ProtoError: t.proto: illegal token.*line 1/],
    [
      'syntax = "proto3"; message M { Nothing a = 1; }',
      /^ProtoError: t.proto: no such Type or Enum 'Nothing' in Type .M/,
    ],
    ['syntax = "proto3"; import "other.proto";', /^ProtoError: t.proto imports other.proto, which is not registered/],
    ['syntax = "proto3"; message M { int32 a = 1; int32 b = 1; }', /^ProtoError: t.proto: duplicate id 1/],
    ["\u0000", /^ProtoError: t.proto/],
    ["message M { ".repeat(10_000), /^ProtoError: t.proto/],
  ];
  for (const [text, message] of wrong) assert.throws(() => parseProto("t.proto", text, () => undefined), message);
  assert.throws(() => parsed.message("plant.None"), ProtoError);
  assert.throws(() => parsed.message("plant.State"), ProtoError);
  assert.throws(() => parsed.message("All"), /plant.proto has no message All/);
});

test("files that would keep the parser busy are refused, long chains of messages are not", () => {
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
  const fields = (count: number) => numbers(count).map((i) => `int32 f${i} = ${i};`).join(" ");
  const head = 'syntax = "proto3";';
  const refused = [
    [`${head} message M { ${fields(30_000)} }`, /over 1000 entries in one block/],
    [
      `${head} message M { /* { */ // {\n option (a) = "{"; option (b) = '}\\'{'; ${fields(1001)} }`,
      /over 1000 entries/,
    ],
    [`${head} enum E { A0 = 0; ${numbers(30_000).map((i) => `A${i} = ${i};`).join(" ")} }`, /over 1000 entries/],
    [`${head} ${numbers(30).map((i) => `message M${i} { ${fields(400)} }`).join(" ")}`, /more and larger blocks/],
    [`${head} ${"message M { ".repeat(30)} ${fields(900)}`, /max depth|illegal|unexpected|missing/],
    [`${head} ${numbers(900).map((i) => `message M${i} { ${fields(40)} `).join(" ")}`, /more and larger blocks/],
  ] as const;
  for (const [text, message] of refused) {
    const started = threadMs();
    assert.throws(() => parseProto("t.proto", text, () => undefined), message);
    assert.ok(threadMs() - started < 5000);
  }
  const chain = `${head} ${numbers(900).map((i) => `message M${i} { M${i % 900 + 1} a = 1; }`).join(" ")}`;
  const schema = schemaOfText(chain, "M1");
  assert.deepEqual(decoded(schema, "0a020a00"), { a: { a: {} } });
});

test("mangled files give ProtoError, or types that work", () => {
  const random = new SeededRandom(9);
  const words = '{ } ; = " /* // < > [ ] ( ) option oneof map< extend group -1 __proto__ enum repeated . max reserved'
    .split(" ");
  let parsed = 0;
  for (let round = 0; round < 3000; round++) {
    let text = round % 2 === 0 ? old : units;
    const at = random.below(text.length);
    const cut = random.below(3) === 0 ? random.below(6) : 0;
    text = text.slice(0, at) + (cut === 0 ? random.pick(words) : "") + text.slice(at + cut);
    try {
      const file = parseProto("t.proto", text, () => undefined);
      for (const name of file.messages) {
        const schema = messageSchema(name, file.message(name));
        assert.equal(schema.createDecoder({ wanted }).decode(new Uint8Array()).length, 1);
        parsed++;
      }
    } catch (error) {
      assert.ok(error instanceof ProtoError, `${(error as Error).stack}\n${text}`);
    }
  }
  assert.ok(parsed > 100, `${parsed} messages`);
  assert.deepEqual(Object.keys(Object.prototype), []);
});

test("files may import each other in a circle", () => {
  const circle = new Map([
    ["a.proto", 'syntax = "proto3"; import "b.proto"; message A { B b = 1; }'],
    ["b.proto", 'syntax = "proto3"; import "a.proto"; message B { A a = 1; int32 n = 2; }'],
  ]);
  const parsed = parseProto("a.proto", circle.get("a.proto")!, (name) => circle.get(name));
  const schema = messageSchema("a.A", parsed.message("A"));
  assert.deepEqual(decoded(schema, "0a021005"), { b: { n: 5n } });
});
