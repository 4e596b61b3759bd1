import assert from "node:assert/strict";
import { test } from "node:test";
import { RowError } from "../diagnostics/row_error.ts";
import { DateTime } from "../value/datetime.ts";
import { codecOf } from "./codecs.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const wanted = "all" as const;

test("codecOf() knows the formats and refuses others helpfully", () => {
  assert.equal(codecOf("JSON").format, "json");
  assert.equal(codecOf("delimited").format, "delimited");
  for (const format of ["custom"]) assert.throws(() => codecOf(format), /E408/);
  assert.throws(() => codecOf("jsom", { path: "actions.0.mqtt.format" }), /E403: Unknown format "jsom".*mean "json"/);
  assert.throws(() => codecOf("constructor"), /E403/);
});

test("json encodes one row or all", () => {
  const encoder = codecOf("json").createEncoder({});
  assert.equal(encoder.encodeRows([{ b: 1n, a: "<" }]), '[{"a":"\\u003c","b":1}]');
  assert.equal(encoder.encodeRow({ b: 1n, a: "x" }), '{"a":"x","b":1}');
  assert.equal(encoder.encodeRows([]), "[]");
  assert.throws(() => encoder.encodeRow({ a: NaN }), (e) => e instanceof RowError && e.code === "E508");
});

test("joinRows() makes of single rows what encodeRows() makes of all", () => {
  const rows = [{ b: 1n, a: "x\n" }, { a: "y", b: 2.5 }, { a: null }];
  const delimitedRows = [{ b: 1n, a: "x" }, { a: "y", b: 2.5 }, { a: null }];
  for (
    const [encoder, input] of [
      [codecOf("json").createEncoder({}), rows],
      [codecOf("delimited").createEncoder({}), delimitedRows],
      [codecOf("delimited").createEncoder({ hasHeader: true, delimiter: ";" }), delimitedRows],
    ] as const
  ) {
    const single = input.map((row) => encoder.encodeRow(row));
    assert.equal(encoder.joinRows!(single), encoder.encodeRows(input));
    assert.equal(encoder.joinRows!(single.map((text) => bytes(text as string))), encoder.encodeRows(input));
    assert.equal(encoder.joinRows!([single[0]!]), encoder.encodeRows([input[0]!]));
    assert.equal(encoder.joinRows!([]), encoder.encodeRows([]));
  }
  const restored = ["a,b\n1,2", "a,b\n3,4"];
  assert.equal(codecOf("delimited").createEncoder({ hasHeader: true }).joinRows!(restored), "a,b\n1,2\n3,4");
  assert.equal(codecOf("binary").createEncoder({}).joinRows, undefined);
  const headed = codecOf("delimited").createEncoder({ hasHeader: true, fields: ["a"] });
  assert.equal(headed.joinRows!(["of a template", headed.encodeRow({ a: 1n })]), "a\nof a template\n1");
  assert.equal(headed.joinRows!(["of a template", "of another"]), "of a template\nof another");
});

test("binary carries one value", () => {
  const codec = codecOf("binary");
  const payload = new Uint8Array([1, 2]);
  const [row] = codec.createDecoder({ wanted }).decode(payload);
  payload[0] = 9;
  assert.deepEqual(row, { self: new Uint8Array([1, 2]) });
  const columns = [{ name: "image", type: { kind: "bytea" } as const }];
  assert.deepEqual(codec.createDecoder({ wanted, columns }).decode(payload), [{ image: payload }]);
  const encoder = codec.createEncoder({});
  assert.deepEqual(encoder.encodeRow({ self: payload, other: 1 }), payload);
  assert.deepEqual(encoder.encodeRows([{ image: payload, n: 1 }]), payload);
  assert.throws(() => encoder.encodeRow({ a: payload, b: payload }), (e) => e instanceof RowError && e.code === "E508");
  assert.throws(() => encoder.encodeRow({ self: "text", b: payload }), RowError);
  assert.throws(() => encoder.encodeRows([{ self: payload }, { self: payload }]), /sendSingle/);
});

test("delimited decodes text values", () => {
  const { createDecoder } = codecOf("delimited");
  assert.deepEqual(createDecoder({ wanted }).decode(bytes("1,a b,\n")), [{ col0: "1", col1: "a b", col2: "" }]);
  const columns = ["a", "b"].map((name) => ({ name, type: { kind: "bigint" } as const }));
  assert.deepEqual(createDecoder({ wanted, columns, delimiter: "\\t" }).decode(bytes("1\t2")), [{ a: "1", b: "2" }]);
  assert.deepEqual(createDecoder({ wanted, columns }).decode(bytes("1")), [{ a: "1" }]);
  assert.deepEqual(createDecoder({ wanted, columns }).decode(bytes("1,2,,")), [{ a: "1", b: "2" }]);
  assert.throws(
    () => createDecoder({ wanted, columns }).decode(bytes("1,2,3")),
    (e) => e instanceof RowError && e.code === "E501",
  );
  assert.deepEqual(createDecoder({ wanted: new Set(["b"]), fields: ["a", "b"] }).decode(bytes("1,2")), [{ b: "2" }]);
  const rows = createDecoder({ wanted, hasHeader: true }).decode(bytes("x,y\r\n1,2\r\n3,4\r\n"));
  assert.deepEqual(rows, [{ x: "1", y: "2" }, { x: "3", y: "4" }]);
});

test("delimited encodes a line a row", () => {
  const { createEncoder } = codecOf("delimited");
  const byFirst = createEncoder({});
  assert.equal(byFirst.encodeRows([{ b: 1234567, a: null }, { a: 2n, c: 3 }]), ",1234567\n2,");
  assert.equal(byFirst.encodeRow({ a: true, b: [1, "x"] }), "true,[1 x]");
  const byFields = createEncoder({ fields: ["b", "a"], delimiter: ";", hasHeader: true });
  assert.equal(byFields.encodeRow({ a: "x", b: new DateTime(0, "UTC") }), "b;a\n1970-01-01 00:00:00 +0000 UTC;x");
  assert.equal(byFields.encodeRows([]), "");
});

test("urlencoded: pairs are texts, repeated keys lists", () => {
  const decoder = codecOf("urlencoded").createDecoder({ wanted });
  assert.deepEqual(decoder.decode(bytes("a=1&b=x+y%26%C3%BC&a=2&c&a=3&__proto__=p\r\n")), [
    JSON.parse('{"a":["1","2","3"],"b":"x y&ü","c":"","__proto__":"p"}'),
  ]);
  assert.deepEqual(decoder.decode(bytes("?q=1")), [{ q: "1" }]);
  assert.deepEqual(decoder.decode(bytes("%zz=%ff&&=&constructor=1")), [{ "%zz": "\ufffd", "": "", constructor: "1" }]);
  const columns = ["a", "b"].map((name) => ({ name, type: { kind: "bigint" } as const }));
  const typed = codecOf("urlencoded").createDecoder({ wanted: new Set(["a", "c"]), columns });
  assert.deepEqual(typed.decode(bytes("xa=1&b=2&c=3"), 1), [{ a: "1" }]);
});

test("urlencoded encodes a row as pairs", () => {
  const encoder = codecOf("urlencoded").createEncoder({});
  const row = { b: "x y&", a: [1n, 2.5, null], c: new Uint8Array([1]), d: { e: true }, f: undefined, g: 1e21 };
  const text = "a=1&a=2.5&a=&b=x+y%26&c=AQ%3D%3D&d=%7B%22e%22%3Atrue%7D&g=1000000000000000000000";
  assert.equal(encoder.encodeRow(row), text);
  assert.equal(encoder.encodeRows([row]), text);
  assert.equal(
    codecOf("urlencoded").createEncoder({ fields: ["b", "z", "a"] }).encodeRow({ a: true, b: 1 }),
    "b=1&a=true",
  );
  assert.throws(() => encoder.encodeRows([row, row]), /E508|sendSingle/);
  assert.equal(encoder.joinRows, undefined);
});
