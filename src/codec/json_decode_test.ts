import assert from "node:assert/strict";
import { test } from "node:test";
import { RowError } from "../diagnostics/row_error.ts";
import { SeededRandom } from "../value/seeded_random.ts";
import type { Struct, Value } from "../value/value.ts";
import type { ColumnType, DecoderOptions } from "./codec.ts";
import { createJsonDecoder } from "./json_decode.ts";
import { parseJsonPrecisely } from "./json_parse.ts";

const utf8 = new TextEncoder();

function decode(text: string, options: Partial<DecoderOptions> = {}): Struct[] {
  return createJsonDecoder({ wanted: "all", ...options }).decode(utf8.encode(text));
}

function typed(kind: ColumnType["kind"] | ColumnType, json: string): Value {
  const type = (typeof kind === "string" ? { kind } : kind) as ColumnType;
  return decode(`{"x":${json},"other":{}}`, { columns: [{ name: "x", type }] })[0]!.x;
}

function failure(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof RowError, String(error));
    assert.equal(error.code, "E501");
    return error.message;
  }
  assert.fail("the payload was accepted");
}

test("createJsonDecoder() without schema gives floats", () => {
  assert.deepEqual(decode('{"a":5,"b":[1,{"c":null}],"d":"x","e":true}'), [{
    a: 5,
    b: [1, { c: null }],
    d: "x",
    e: true,
  }]);
  assert.deepEqual(decode(' [{"a":1},{}]\n'), [{ a: 1 }, {}]);
  assert.deepEqual(decode("[]"), []);
  assert.deepEqual(decode('\ufeff{"a":1,"a":2}'), [{ a: 2 }]);
});

test("createJsonDecoder() keeps only wanted columns", () => {
  const options = { wanted: new Set(["a", "toString", "__proto__"]) };
  assert.deepEqual(decode('{"a":1,"b":2}', options), [{ a: 1 }]);
  assert.deepEqual(decode('{"toString":1}', options)[0]!.toString as unknown, 1);
  const [row] = decode('{"__proto__":{"b":1}}', options);
  assert.deepEqual(Object.keys(row!), ["__proto__"]);
  assert.equal(Object.getPrototypeOf(row), Object.prototype);
  assert.deepEqual(decode('{"b":1}', { wanted: new Set() }), [{}]);
});

test("createJsonDecoder() takes __proto__ as a column like any other", () => {
  const columns = [{ name: "__proto__", type: { kind: "bigint" } as const }];
  const options: Partial<DecoderOptions>[] = [{}, { useInt64ForWholeNumber: true }, { columns }];
  for (const option of options) {
    const [row] = decode('{"__proto__":9007199254740993}', option);
    assert.deepEqual(Object.keys(row!), ["__proto__"]);
    assert.equal(Object.getPrototypeOf(row), Object.prototype);
  }
  assert.deepEqual(decode("{}", { columns })[0], {});
});

test("useInt64ForWholeNumber keeps 64 bits and tells 5 from 5.0", () => {
  const text =
    '{"a":5,"b":5.0,"c":5e0,"d":9223372036854775807,"e":9223372036854775808,"f":[1,{"g":-0}],"h":1.00000000000000000001}';
  const expected = { a: 5n, b: 5, c: 5, d: 9223372036854775807n, e: 9223372036854775808, f: [1n, { g: 0n }], h: 1 };
  assert.deepEqual(decode(text, { useInt64ForWholeNumber: true }), [expected]);
  const simple = '{"a":1,"b":1.25,"c":[2,{"d":3}],"e":"x 5.0e1"}';
  const options = { useInt64ForWholeNumber: true };
  assert.deepEqual(decode(simple, options), [{ a: 1n, b: 1.25, c: [2n, { d: 3n }], e: "x 5.0e1" }]);
  assert.deepEqual(decode('{"a":1,"b":1.25}', options), [{ a: 1n, b: 1.25 }]);
  assert.deepEqual(decode('{"a":9007199254740993}', options), [{ a: 9007199254740993n }]);
});

test("declared columns convert what the dialect accepts", () => {
  const list: ColumnType = { kind: "array", element: { kind: "bigint" } };
  const pair: ColumnType = { kind: "struct", columns: [{ name: "a", type: { kind: "string" } }] };
  const cases: [ColumnType["kind"] | ColumnType, string, Value][] = [
    ["bigint", "5", 5n],
    ["bigint", "5.0", 5n],
    ["bigint", "1e17", 100000000000000000n],
    ["bigint", "9007199254740993", 9007199254740993n],
    ["bigint", "-9223372036854775808", -9223372036854775808n],
    ["float", "5", 5],
    ["float", "9007199254740993", 9007199254740992],
    ["string", '"a"', "a"],
    ["string", "1234567", "1.234567e+06"],
    ["boolean", "true", true],
    ["boolean", "0.5", true],
    ["boolean", '"T"', true],
    ["boolean", '"False"', false],
    ["datetime", "12", 12],
    ["datetime", '"2026-01-02"', "2026-01-02"],
    ["bytea", '"aGk="', new Uint8Array([104, 105])],
    ["bytea", '"aGk"', new Uint8Array([97, 71, 107])],
    ["bytea", '""', new Uint8Array([])],
    [list, "[1,null,2]", [1n, null, 2n]],
    [pair, '{"a":1,"b":2}', { a: "1" }],
    [pair, "{}", {}],
    ...(["bigint", "float", "string", "boolean", "datetime", "bytea", list, pair] as const).map((
      kind,
    ): [ColumnType["kind"] | ColumnType, string, Value] => [kind, "null", null]),
  ];
  for (const [kind, json, expected] of cases) {
    assert.deepEqual(typed(kind, json), expected, `${JSON.stringify(kind)} ${json}`);
  }
});

test("declared columns refuse other kinds", () => {
  const list: ColumnType = { kind: "array", element: { kind: "bigint" } };
  const cases: [ColumnType["kind"] | ColumnType, string[]][] = [
    ["bigint", ["1.5", '"1"', "true", "[]", "{}", "9223372036854775808", "1e300", "-9223372036854775809"]],
    ["float", ['"1"', "true", "[]", "{}"]],
    ["string", ["true", "[]", "{}"]],
    ["boolean", ['"yes"', '"toString"', "[]", "{}"]],
    ["datetime", ["true", "[]", "{}"]],
    ["bytea", ["1", "true", "[]", "{}"]],
    [list, ["1", '"a"', "{}", '["a"]']],
    [{ kind: "struct", columns: [] }, ["1", '"a"', "[]"]],
  ];
  for (const [kind, texts] of cases) {
    for (const json of texts) assert.match(failure(() => typed(kind, json)), /column "x" is declared/, json);
  }
});

test("a stream with long ids stays exact message after message", () => {
  const decoder = createJsonDecoder({ wanted: "all", columns: [{ name: "id", type: { kind: "bigint" } }] });
  for (let i = 0n; i < 5n; i++) {
    assert.deepEqual(decoder.decode(utf8.encode(`{"id":${9007199254740993n + i},"x":[]}`)), [{
      id: 9007199254740993n + i,
    }]);
  }
});

test("declared but unwanted columns are skipped, also their mistakes", () => {
  const columns = [{ name: "a", type: { kind: "bigint" } as const }, { name: "b", type: { kind: "bigint" } as const }];
  assert.deepEqual(decode('{"a":1,"b":"x","c":3}', { columns, wanted: new Set(["a", "c"]) }), [{ a: 1n }]);
});

test("bad payloads fail with the place and an excerpt", () => {
  const cases: [string, RegExp][] = [
    ["", /offset 0: found the end, wanted a value/],
    ["{oops", /Cannot decode JSON "\{oops" at offset 1: found "o", wanted a key in quotes/],
    ['{"a":1,,}', /offset 7: found ",", wanted a key/],
    ['{"a" 1}', /offset 5: found "1", wanted ":"/],
    ['{"a":01}', /offset 6: found "1", wanted "," or "}"/],
    ['{"a":tru}', /offset 5: found "t", wanted a value/],
    ['{"a":"\n"}', /offset 6: found "\\n", wanted the end of the string/],
    ['{"a":"\\x"}', /wanted an escape/],
    ['{"a":"\\u12"}', /wanted an escape/],
    ['{"a":1} x', /offset 8: found "x", wanted the end/],
    ["[1]", /item 0 is a number, wanted an object or an array of objects/],
    ["[[]]", /item 0 is an array/],
    ["null", /found null/],
    ["5", /found a number/],
    [`{"a":"${"y".repeat(100)}`, /^Cannot decode JSON …"y{24}" at offset 106/],
  ];
  for (const [text, message] of cases) assert.match(failure(() => decode(text)), message, text);
});

test("nesting without end fails the message only", () => {
  for (const unit of ["[", '{"a":']) {
    for (const columns of [undefined, [{ name: "a", type: { kind: "float" } as const }]]) {
      assert.match(failure(() => decode(unit.repeat(1_000_000), { columns })), /nested over 256 levels/);
      assert.match(failure(() => decode(unit.repeat(250), { columns })), /found the end/);
    }
  }
  const fine = `${'{"a":'.repeat(255)}{}${"}".repeat(255)}`;
  assert.equal(decode(fine).length, 1);
  // Brackets inside strings are text.
  assert.equal(decode(`{"a":"\\"${"[".repeat(2000)}"}`).length, 1);
});

test("invalid UTF-8 is replaced", () => {
  const payload = new Uint8Array([...utf8.encode('{"a":"x'), 0xff, ...utf8.encode('","b":1}')]);
  assert.deepEqual(createJsonDecoder({ wanted: "all" }).decode(payload), [{ a: "x\ufffd", b: 1 }]);
});

test("parseJsonPrecisely() agrees with JSON.parse", () => {
  for (let seed = 1; seed <= 1000; seed++) {
    const random = new SeededRandom(seed);
    const value = randomValue(random, 3);
    const text = JSON.stringify(value, undefined, random.below(3));
    // Long whole numbers come as bigint here; as floats they are what the native parser gives.
    const floats = (_: string, item: unknown) => typeof item === "bigint" ? Number(item) : item;
    const parsed = JSON.stringify(parseJsonPrecisely(text, "wide"), floats);
    assert.equal(parsed, JSON.stringify(JSON.parse(text)), `seed ${seed}`);
    // A damaged text is refused by both or by none.
    const at = random.below(text.length);
    const damaged = text.slice(0, at) +
      random.pick(['"', "{", "}", "[", "]", ",", ":", "1", ".", "e", "-", "\\", "\u0001"]) + text.slice(at + 1);
    assert.equal(
      accepts(() => parseJsonPrecisely(damaged, "wide")),
      accepts(() => JSON.parse(damaged)),
      `seed ${seed}: ${damaged}`,
    );
  }
});

function randomValue(random: SeededRandom, depth: number): unknown {
  const choice = random.below(depth > 0 ? 7 : 5);
  if (choice === 0) return random.float();
  if (choice === 1) return random.below(2000) - 1000;
  if (choice === 2) return random.text();
  if (choice === 3) return random.below(2) === 0;
  if (choice === 4) return null;
  const items = Array.from({ length: random.below(4) }, () => randomValue(random, depth - 1));
  return choice === 5 ? items : Object.fromEntries(items.map((item) => [random.text(), item]));
}

function accepts(run: () => unknown): boolean {
  try {
    run();
    return true;
  } catch {
    return false;
  }
}
