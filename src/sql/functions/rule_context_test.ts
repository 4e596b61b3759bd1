/**
 * What depends on the rule, the clock, the row or on WHEN, and so cannot be shown in an example.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Row } from "../../value/row.ts";
import type { Struct, Value } from "../../value/value.ts";
import type { RuleContext } from "./declare.ts";
import { lookup } from "./registry.ts";

const now = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const context: RuleContext = {
  ruleId: "overheat",
  ruleStart: now - 5000,
  now,
  timezone: "Asia/Tokyo",
  random: () => 0.5,
};

/** Calls a function that is not an aggregate or analytic one; `constants` are its literals by name. */
function call(name: string, constants: Struct = {}, row = new Row({}, now), ...args: Value[]): Value {
  const fn = lookup(name);
  assert.ok(fn !== undefined);
  if (fn.kind === "row") return fn.compile(constants as never, context)(row, ...args);
  assert.equal(fn.kind, "scalar");
  return fn.kind === "scalar" ? fn.compile(constants as never, context)(...args) : undefined;
}

const clock: readonly [name: string, constants: Struct, gives: Value][] = [
  ["now", {}, "2026-01-02 12:04:05"],
  ["current_timestamp", { fsp: 3 }, "2026-01-02 12:04:05.678"],
  ["local_time", { fsp: 1 }, "2026-01-02 12:04:05.6"],
  ["local_timestamp", { fsp: 6 }, "2026-01-02 12:04:05.678000"],
  ["cur_time", {}, "12:04:05"],
  ["current_time", { fsp: 2 }, "12:04:05.67"],
  ["cur_date", {}, "2026-01-02"],
  ["current_date", {}, "2026-01-02"],
  ["tstamp", {}, BigInt(now)],
  ["rule_id", {}, "overheat"],
  ["rule_start", {}, BigInt(now - 5000)],
  ["rand", {}, 0.5],
  ["newuuid", {}, "019b7ca9-8f2e-7800-a800-800000800000"],
];

for (const [name, constants, gives] of clock) {
  test(`${name}() with ${JSON.stringify(constants)}`, () => assert.equal(call(name, constants), gives));
}

test("from_unix_time() and numbers as times are in the rule's zone", () => {
  assert.equal(call("from_unix_time", {}, undefined, 86400), "1970-01-02 09:00:00");
});

test("the times of a single row", () => {
  const row = new Row({}, 1234.5);
  assert.equal(call("event_time", {}, row), 1234n);
  for (const name of ["window_start", "window_end", "window_trigger"]) assert.equal(call(name, {}, row), null);
});

test("the times of a row out of a window", () => {
  const row = new Row({}, 1234);
  row.window = { start: 1000, end: 2000, trigger: 2001 };
  assert.equal(call("event_time", {}, row), 2001n);
  assert.equal(call("window_start", {}, row), 1000n);
  assert.equal(call("window_end", {}, row), 2000n);
  assert.equal(call("window_trigger", {}, row), 2001n);
});

test("meta() and mqtt() read the row's metadata", () => {
  const meta: Struct = { topic: "t/1", messageId: 7n, device: { id: "d1" } };
  const row = new Row({}, now, meta);
  assert.equal(call("meta", { key: "topic" }, row), "t/1");
  assert.equal(call("meta", { key: "device.id" }, row), "d1");
  assert.equal(call("meta", { key: "device.id.x" }, row), null);
  assert.equal(call("meta", { key: "constructor" }, row), null);
  assert.deepEqual(call("meta", { key: "*" }, row), meta);
  assert.equal(call("mqtt", { key: "TOPIC" }, row), "t/1");
  assert.equal(call("mqtt", { key: "messageid" }, row), 7n);
});

test("array_shuffle() keeps the elements and leaves its argument alone", () => {
  const list = [1n, 2n, 3n, 4n];
  const shuffled = call("array_shuffle", {}, undefined, list) as Value[];
  assert.deepEqual([...shuffled].sort(), [1n, 2n, 3n, 4n]);
  assert.deepEqual(list, [1n, 2n, 3n, 4n]);
});

for (const method of ["zlib", "gzip", "flate", "zstd"]) {
  test(`decompress() gives back what compress() took, by ${method}`, () => {
    const packed = call("compress", { method }, undefined, "pump ".repeat(100));
    assert.ok(packed instanceof Uint8Array && packed.length < 100);
    const unpacked = call("decompress", { method }, undefined, packed);
    assert.equal(new TextDecoder().decode(unpacked as Uint8Array), "pump ".repeat(100));
  });
}

/** Rows as arguments, each with whether WHEN was true for it, and the result expected. */
const analytic: readonly [name: string, rows: readonly [active: boolean, args: Value[], result: Value][]][] = [
  ["lag", [[true, [1], null], [false, [2], 1], [true, [3], 1], [true, [4], 3]]],
  ["lag", [[true, [1, 0], 1], [true, [2, 0], 2]]],
  ["latest", [[false, [1, 9], 9], [true, [2, 9], 2], [false, [3, 9], 2]]],
  ["changed_col", [[false, [true, 1], null], [true, [true, 1], 1], [false, [true, 2], null], [true, [true, 1], null]]],
  ["had_changed", [[true, [true, 1], true], [false, [true, 2], false], [true, [true, 1], false]]],
  ["acc_sum", [[true, [1], 1], [false, [5], 1], [true, [2], 3]]],
  ["acc_count", [[true, [1], 1n], [false, [5], 1n], [true, [null], 1n]]],
  ["acc_sum", [[true, [1, false, false], 0], [true, [1, true, false], 1], [false, [1, null, null], 1]]],
  ["acc_sum", [[true, [1, true, false], 1], [true, [1, false, true], 2], [true, [1, false, false], 0]]],
];

for (const [name, rows] of analytic) {
  test(`${name}() leaves its state alone where WHEN is not true: ${rows.map(([active]) => active)}`, () => {
    const fn = lookup(name);
    assert.ok(fn?.kind === "analytic");
    let state = fn.init();
    for (const [active, args, result] of rows) {
      const before = structuredClone(state);
      const step = fn.step(state, active, ...args);
      assert.deepEqual(step.result, result);
      if (!active && name !== "lag") assert.deepEqual(step.state, before);
      state = step.state;
    }
  });
}

test("a running aggregate's result does not change when more rows come", () => {
  for (const name of ["collect", "merge_agg"]) {
    const fn = lookup(name);
    assert.ok(fn?.kind === "aggregate");
    let state = fn.add(fn.init(), { a: 1n });
    const first = fn.result(state);
    const copy = structuredClone(first);
    state = fn.add(state, { b: 2n });
    assert.deepEqual(first, copy, name);
    assert.notDeepEqual(fn.result(state), first, name);
  }
});

test("strings in max() and min() compare by UTF-8 bytes, not by UTF-16 units", () => {
  const fn = lookup("max");
  assert.ok(fn?.kind === "aggregate");
  assert.equal(fn.result(fn.add(fn.add(fn.init(), "\uff5e"), "😀")), "😀");
});

test("an int sum wraps at 64 bits", () => {
  const fn = lookup("sum");
  assert.ok(fn?.kind === "aggregate");
  assert.equal(fn.result(fn.add(fn.add(fn.init(), 2n ** 63n - 1n), 1n)), -(2n ** 63n));
});
