/**
 * No row takes a rule for long: every function over values that are large, deep or hostile, and expressions that would make
 * far larger ones. On a machine with nothing else to do each takes less than 100 ms; what is told apart here is that from
 * seconds, minutes and all of the memory, since tests share their machine.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Pipeline } from "../../src/runtime/pipeline.ts";
import { planOf } from "../../src/runtime/statement_fixture.ts";
import { functions } from "../../src/sql/functions/registry.ts";
import { jsonText } from "../../src/value/json_text.ts";
import { Row } from "../../src/value/row.ts";
import { SeededRandom } from "../../src/value/seeded_random.ts";
import type { Struct, Value } from "../../src/value/value.ts";
import { threadMs } from "../thread_time.ts";

const tooLongMs = 2000;

function nested(depth: number, wrap: (inner: Value) => Value): Value {
  let value: Value = 1;
  for (let i = 0; i < depth; i++) value = wrap(value);
  return value;
}

const list = <T>(length: number, make: (i: number) => T): T[] => Array.from({ length }, (_, i) => make(i));

/** About what a message of 200 KB can hold. */
const hostile: Readonly<Record<string, Value>> = {
  letters: "a".repeat(200_000),
  words: "ab ".repeat(60_000),
  digits: "1".repeat(200_000),
  deepList: nested(20_000, (inner) => [inner]),
  deepStruct: nested(20_000, (inner) => ({ a: inner })),
  floats: list(20_000, (i) => i * 0.5),
  ints: list(20_000, BigInt),
  texts: list(20_000, (i) => `k${i}`),
  structs: list(10_000, (i) => ({ a: i, b: `x${i}` })),
  lists: list(20_000, () => [1]),
  wide: Object.fromEntries(list(10_000, (i) => [`k${i}`, i])),
  bytes: new Uint8Array(200_000),
  deepJson: "[".repeat(100_000),
  longJson: `[${"1,".repeat(90_000)}1]`,
  stars: "(a+)+$",
  options: "(a|a)*b",
  repeats: "(.{0,1000}){1}x",
  groups: `${"(".repeat(150)}a${")*".repeat(150)}`,
  classes: "(?i)\\pL".repeat(90),
  alternatives: list(1000, (i) => `k${i}`).join("|"),
  layout: "YYYY".repeat(50_000),
  enormous: 10n ** 5000n,
  million: 1_000_000n,
  huge: 1e15,
  negative: -1n,
  one: 1n,
  tiny: 5e-324,
  yes: true,
  nothing: null,
};

/** What a row of these columns gives: a value, or the error of the row. */
function evaluator(expression: string): (values: Struct) => Value {
  let outcome: Value;
  const pipeline = new Pipeline(planOf(`SELECT ${expression} AS r FROM demo`), {
    rule: { ruleId: "r", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0.5 },
    output: {
      rows: ([row]) => void (outcome = row!.r),
      list: ([row]) => void (outcome = row?.r),
      failed: (error) => void (outcome = error.code),
    },
  });
  return (values) => {
    pipeline.push([new Row(values, 0)], 0);
    return outcome;
  };
}

/** Literals, where a parameter takes nothing else. */
const literal: Readonly<Record<string, readonly string[]>> = {
  compress: ["a", "'gzip'"],
  decompress: ["a", "'gzip'"],
  conv: ["a", "16", "2"],
  date_calc: ["a", "'24h'"],
  format: ["a", "3"],
  json_path_exists: ["a", "'$..a'"],
  json_path_query: ["a", "'$..*'"],
  json_path_query_first: ["a", "'$..*..*'"],
  object_construct: ["'k'", "a"],
  object_concat: ["a", "a"],
  object_pick: ["a", "'k1'"],
  now: [],
  cur_time: [],
};

for (const fn of functions) {
  if (fn.kind !== "scalar") continue;
  test(`no row takes ${fn.name}() for long`, () => {
    const required = fn.params.filter(({ optional, variadic }) => optional !== true && variadic !== true).length;
    const columns = ["a", "b", "c", "d"].slice(0, Math.max(required, Math.min(1, fn.params.length)));
    const run = evaluator(`${fn.name}(${(literal[fn.name] ?? columns).join(", ")})`);
    const random = new SeededRandom(7);
    const names = Object.keys(hostile);
    const rounds = columns.length <= 1 ? names.length : 100;
    for (let round = 0; round < rounds; round++) {
      const chosen = columns.map((_, i) => i === 0 ? names[round % names.length]! : random.pick(names));
      const values: Struct = {};
      for (const [i, column] of columns.entries()) values[column] = hostile[chosen[i]!];
      const started = threadMs();
      run(values);
      const tookMs = threadMs() - started;
      assert.ok(tookMs < tooLongMs, `${fn.name}(${chosen.join(", ")}) took ${Math.round(tookMs)} ms`);
    }
  });
}

/** Expressions that would double their value some twenty times, or multiply a million by a million. */
const growing: readonly (readonly [expression: string, values: Struct, gives: Value])[] = [
  ["repeat(repeat('a', 1000000), 1000000)", {}, "E506"],
  ["repeat(a, 1000)", { a: "x".repeat(10_000) }, "E506"],
  ["lpad('a', 2000000)", {}, "E506"],
  ["sequence(1, 1000000000)", {}, "E506"],
  ["array_join(a, b)", { a: list(10_000, () => 1), b: "x".repeat(10_000) }, "E506"],
  ["regexp_replace(a, 'a', b)", { a: "a".repeat(10_000), b: "x".repeat(10_000) }, "E506"],
  ["regexp_matches('a', b)", { b: "(".repeat(100_000) }, "E506"],
  ["regexp_matches('a', b)", { b: "a".repeat(100_000) }, "E506"],
  ["format_time(t, b)", { t: 0n, b: "YYYY".repeat(100_000) }, "E506"],
];

for (const [expression, values, gives] of growing) {
  test(`what would be too large is refused: ${expression}`, () => {
    const run = evaluator(expression);
    const started = threadMs();
    assert.equal(run(values), gives);
    assert.ok(threadMs() - started < tooLongMs);
  });
}

for (const [name, of] of [["concat", "'0123456789'"], ["array_concat", "sequence(1, 10)"]] as const) {
  test(`${name}() does not double a value without end`, () => {
    let inner: string = of;
    // Each level twice as large: a statement may be as deep, and aliases need not be written out.
    const levels: string[] = [];
    for (let i = 0; i < 24; i++) {
      levels.push(`${inner} AS v${i}`);
      inner = `${name}(v${i}, v${i})`;
    }
    const codes: string[] = [];
    const pipeline = new Pipeline(planOf(`SELECT ${levels.join(", ")} FROM demo`), {
      rule: { ruleId: "r", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0.5 },
      output: { rows() {}, list() {}, failed: (error) => void codes.push(error.code) },
    });
    pipeline.push([new Row({}, 0)], 0);
    assert.deepEqual(codes, ["E506"]);
  });
}

test("a result whose parts are one and the same value is not written out without end", () => {
  const value = nested(40, (inner) => [inner, inner]);
  const started = threadMs();
  assert.throws(() => jsonText(value), { code: "E508" });
  assert.ok(threadMs() - started < 30 * tooLongMs);
});
