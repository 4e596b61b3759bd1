import { test } from "node:test";
import assert from "node:assert/strict";
import { NodeMetrics } from "../../telemetry/node_metrics.ts";
import { Row } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import type { Batch, OperatorContext } from "../operator.ts";
import { decodeState, encodeState } from "../state_codec.ts";
import { HoppingWindow } from "./hopping.ts";
import { RowPanes } from "./pane_content.ts";

type List = [start: number | undefined, end: number | undefined, rows: number[]];

function setUp(options: { eventTime: boolean; start?: number; length?: number; hop?: number }) {
  const lists: List[] = [];
  const rows: Row[] = [];
  const drops: [string, number][] = [];
  const context = {
    rule: { ruleId: "r", ruleStart: options.start ?? 0, now: 0, timezone: "UTC", random: () => 0 },
    changingSlots: [1],
    metrics: new NodeMetrics(),
    fail: (error: unknown) => assert.fail(String(error)),
    drop: (reason: string, count: number) => void drops.push([reason, count]),
  } as unknown as OperatorContext;
  const { length = 15, hop = 5, eventTime } = options;
  const window = new HoppingWindow({ length, hop, unit: "ss", eventTime }, new RowPanes(context), context, {
    push: (batch: Batch) => {
      rows.push(...batch.rows);
      lists.push([batch.window?.start, batch.window?.end, batch.rows.map((row) => row.time)]);
    },
    advance() {},
  });
  const push = (...times: number[]) => window.push({ rows: times.map((time) => new Row({}, time)), window: undefined });
  const advance = (time: number) =>
    window.advance(eventTime ? { processing: 0, watermark: time } : { processing: time, watermark: -Infinity });
  const taken = () => lists.splice(0);
  return { window, taken, rows, drops, push, advance };
}

test("HoppingWindow in processing time hands on a window at every hop, empty ones too", () => {
  const { window, taken, push, advance } = setUp({ eventTime: false, start: 12_000 });
  assert.equal(window.deadline(), 15_000);
  push(13_000);
  advance(15_000);
  assert.deepEqual(taken(), [[0, 15_000, [13_000]]]);
  push(16_000, 29_000);
  assert.deepEqual(taken(), [[5000, 20_000, [13_000, 16_000]], [10_000, 25_000, [13_000, 16_000]]]);
  advance(50_000);
  assert.deepEqual(taken(), [
    [15_000, 30_000, [16_000, 29_000]],
    [20_000, 35_000, [29_000]],
    [25_000, 40_000, [29_000]],
    [30_000, 45_000, []],
    [35_000, 50_000, []],
  ]);
});

test("HoppingWindow in event time opens with the first row and waits for no clock", () => {
  const { window, taken, push, advance } = setUp({ eventTime: true });
  advance(500_000);
  push(512_000);
  assert.equal(window.deadline(), Infinity);
  advance(515_000);
  assert.deepEqual(taken(), [[500_000, 515_000, [512_000]]]);
  push(521_000);
  assert.deepEqual(taken(), [[505_000, 520_000, [512_000]]]);
});

test("HoppingWindow hands on every window that still holds rows at the end, each once", () => {
  const { window, taken, push } = setUp({ eventTime: true });
  window.end();
  push(1000, 7000);
  taken();
  window.end();
  window.end();
  assert.deepEqual(taken(), [
    [-5000, 10_000, [1000, 7000]],
    [0, 15_000, [1000, 7000]],
    [5000, 20_000, [7000]],
  ]);
});

test("HoppingWindow takes a watermark at infinity as the end of all windows", () => {
  const { taken, push, advance } = setUp({ eventTime: true, length: 5 });
  push(1000);
  advance(Infinity);
  assert.deepEqual(taken(), [[0, 5000, [1000]]]);
});

test("HoppingWindow counts the rows that are lost between windows", () => {
  const { window, taken, push, drops } = setUp({ eventTime: true, length: 2 });
  push(1000, 3000, 4999, 5000, 8000);
  window.end();
  assert.deepEqual(taken(), [[3000, 5000, [3000, 4999]], [8000, 10_000, [8000]]]);
  assert.deepEqual(drops, [["gap", 2]]);
});

test("HoppingWindow gives each window a copy of the row, with what changes on the way to be computed anew", () => {
  const { window, rows } = setUp({ eventTime: true, length: 10 });
  const row = Object.assign(new Row({ a: 1 }, 1000), { slots: ["kept", "computed"] });
  window.push({ rows: [row], window: undefined });
  window.end();
  const [first, second] = rows;
  assert.equal(rows.length, 2);
  assert.notEqual(first, second);
  assert.notEqual(first!.slots, second!.slots);
  assert.deepEqual(rows.map((r) => [r.values, r.slots, r.window?.end]), [
    [{ a: 1 }, ["kept", undefined], 5000],
    [{ a: 1 }, ["kept", undefined], 10_000],
  ]);
  assert.equal(row.window, undefined);
});

test("HoppingWindow holds what no window has been handed on with", () => {
  const { window, push, advance } = setUp({ eventTime: false });
  push(1000, 2000);
  assert.equal(window.held(), 2);
  advance(5000);
  assert.equal(window.held(), 0);
});

test("HoppingWindow does not emit millions of empty windows after one wrong timestamp", () => {
  const { window, taken, push } = setUp({ eventTime: true });
  push(1000, 1e12 + 3000);
  window.end();
  const lists = taken();
  assert.ok(lists.length < 1100, `${lists.length} lists`);
  assert.deepEqual(lists.slice(-3).map(([, end]) => end), [1e12 + 5000, 1e12 + 10_000, 1e12 + 15_000]);
});

test("HoppingWindow takes a row that was on its way when the clock passed into the window that is open", () => {
  const { taken, push, advance } = setUp({ eventTime: false, length: 5 });
  advance(5000);
  push(4999);
  advance(10_000);
  assert.deepEqual(taken(), [[0, 5000, []], [5000, 10_000, [4999]]]);
});

test("HoppingWindow moves its rows with a clock that is set back", () => {
  const { window, taken, push, advance } = setUp({ eventTime: false, start: 100_000 });
  push(101_000);
  advance(103_000);
  advance(33_000);
  assert.equal(window.deadline(), 35_000);
  advance(50_000);
  assert.deepEqual(taken(), [
    [20_000, 35_000, [101_000]],
    [25_000, 40_000, [101_000]],
    // The row stood somewhere between 100 and 105 s, and is taken for the oldest of them: 30 s on the new clock.
    [30_000, 45_000, [101_000]],
    [35_000, 50_000, []],
  ]);
});

test("HoppingWindow goes on where a snapshot was taken, with the windows that have ended meanwhile", () => {
  const before = setUp({ eventTime: false, start: 12_000 });
  before.push(13_000);
  before.advance(15_000);
  const after = setUp({ eventTime: false, start: 99_999 });
  after.window.restore(decodeState(encodeState(before.window.snapshot() as Value)));
  assert.equal(after.window.deadline(), 20_000);
  after.advance(31_000);
  assert.deepEqual(after.taken(), [[5000, 20_000, [13_000]], [10_000, 25_000, [13_000]], [15_000, 30_000, []]]);
});
