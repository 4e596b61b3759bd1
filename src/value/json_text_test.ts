import assert from "node:assert/strict";
import { test } from "node:test";
import { RowError } from "../diagnostics/row_error.ts";
import { DateTime } from "./datetime.ts";
import { jsonText, JsonWriter } from "./json_text.ts";
import { SeededRandom } from "./seeded_random.ts";
import { setOwn, type Struct, type Value } from "./value.ts";

test("jsonText() prints what the dialect prints", () => {
  const cases: [Value, string][] = [
    [{ b: 3.0, a: 1n, "\u{1f600}": 1, "\uffee": 2 }, '{"a":1,"b":3,"\uffee":2,"\u{1f600}":1}'],
    ["<a>&\u2028\u2029", '"\\u003ca\\u003e\\u0026\\u2028\\u2029"'],
    ['"\\\n\r\t\b\f\u0000\u001f/', '"\\"\\\\\\n\\r\\t\\b\\f\\u0000\\u001f/"'],
    ["a\ud83db\ude00\u{1f600}é", '"a\\ufffdb\\ufffd\u{1f600}é"'],
    [-0, "-0"],
    [1e21, "1e+21"],
    [1e20, "100000000000000000000"],
    [1e-7, "1e-7"],
    [0.000001, "0.000001"],
    [9223372036854775807n, "9223372036854775807"],
    [new Uint8Array([104, 105]), '"aGk="'],
    [new DateTime(500, "UTC"), '"1970-01-01T00:00:00.5Z"'],
    [{ a: undefined, b: null, c: [undefined, true] }, '{"b":null,"c":[null,true]}'],
    [{}, "{}"],
    [{ z: { b: 1, a: [{ d: 1, c: 2 }] } }, '{"z":{"a":[{"c":2,"d":1}],"b":1}}'],
  ];
  for (const [value, text] of cases) assert.equal(jsonText(value), text);
});

test("jsonText() prints own columns with the names of inherited ones", () => {
  const row: Struct = { constructor: 1, toString: 2 };
  setOwn(row, "__proto__", 3);
  assert.equal(jsonText(row), '{"__proto__":3,"constructor":1,"toString":2}');
});

test("jsonText() refuses what JSON has no form for", () => {
  assert.throws(() => jsonText({ a: [{ b: NaN }] }), (e) => e instanceof RowError && /NaN.*"b"/.test(e.message));
  assert.throws(() => jsonText({ a: -Infinity }), (e) => e instanceof RowError && e.code === "E508");
  let deep: Value = 1;
  for (let i = 0; i < 100_000; i++) deep = [deep];
  assert.throws(() => jsonText({ deep }), (e) => e instanceof RowError && e.code === "E508");
});

test("JsonWriter keeps the orders of different rows apart", () => {
  const writer = new JsonWriter();
  const rows: Struct[] = [];
  for (let seed = 1; seed <= 500; seed++) {
    const random = new SeededRandom(seed);
    const row: Struct = {};
    for (let i = random.below(6); i > 0; i--) row[random.pick(["a", "b", "c", "d", random.text()])] = random.text();
    rows.push(row);
    const text = writer.text(row);
    const back = JSON.parse(text) as Struct;
    assert.deepEqual(Object.keys(back).length, Object.keys(row).length, `seed ${seed}`);
    for (const [key, value] of Object.entries(row)) {
      // A lone surrogate comes back as the replacement character.
      assert.equal(back[key.toWellFormed()], (value as string).toWellFormed(), `seed ${seed}`);
    }
    assert.equal(text, new JsonWriter().text(row), `seed ${seed}`);
  }
  assert.equal(writer.rows(rows), `[${rows.map((row) => jsonText(row)).join(",")}]`);
  assert.equal(writer.rows([]), "[]");
});
