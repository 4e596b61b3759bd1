import { test } from "node:test";
import assert from "node:assert/strict";
import { NodeMetrics } from "../../telemetry/node_metrics.ts";
import { Row } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import type { Batch, OperatorContext } from "../operator.ts";
import { RowContent } from "./content.ts";
import { TumblingWindow } from "./tumbling.ts";

function setUp(options: { eventTime: boolean; start?: number; state?: Value }) {
  const lists: [start: number | undefined, end: number | undefined, rows: number[]][] = [];
  const progress: number[] = [];
  const context: OperatorContext = {
    rule: { ruleId: "r", ruleStart: options.start ?? 0, now: 0, timezone: "UTC", random: () => 0 },
    changingSlots: [],
    metrics: new NodeMetrics(),
    fail: (error) => assert.fail(String(error)),
    drop: () => assert.fail("nothing is dropped"),
  };
  const shape = { length: 10, unit: "ss" as const, eventTime: options.eventTime };
  const window = new TumblingWindow(shape, new RowContent(context), context, {
    push: ({ rows, window }: Batch) => void lists.push([window?.start, window?.end, rows.map((row) => row.time)]),
    advance: ({ processing, watermark }) => void progress.push(options.eventTime ? watermark : processing),
  });
  const push = (...times: number[]) => window.push({ rows: times.map((time) => new Row({}, time)), window: undefined });
  const advance = (time: number) =>
    window.advance(options.eventTime ? { processing: 0, watermark: time } : { processing: time, watermark: -Infinity });
  return { window, lists, progress, push, advance };
}

test("TumblingWindow in processing time opens with the rule and waits for its end", () => {
  const { window, lists, push, advance } = setUp({ eventTime: false, start: 7000 });
  assert.equal(window.deadline(), 10_000);
  push(8000, 9999);
  advance(9999);
  assert.deepEqual(lists, []);
  advance(10_000);
  assert.deepEqual(lists, [[7000, 10_000, [8000, 9999]]]);
  assert.equal(window.deadline(), 20_000);
});

test("TumblingWindow passes time on after what it emits", () => {
  const { lists, progress, advance } = setUp({ eventTime: false });
  advance(20_000);
  assert.deepEqual(lists, [[0, 10_000, []], [10_000, 20_000, []]]);
  assert.deepEqual(progress, [20_000]);
});

test("TumblingWindow in event time waits for no clock and opens with the first row", () => {
  const { window, lists, push, advance } = setUp({ eventTime: true });
  advance(500_000);
  assert.deepEqual(lists, []);
  push(512_000);
  assert.equal(window.deadline(), Infinity);
  advance(520_000);
  assert.deepEqual(lists, [[512_000, 520_000, [512_000]]]);
});

test("TumblingWindow in event time closes what a later row shows to be complete", () => {
  const { lists, push } = setUp({ eventTime: true });
  push(1000, 9999, 10_000, 35_000);
  assert.deepEqual(lists, [[1000, 10_000, [1000, 9999]], [10_000, 20_000, [10_000]], [20_000, 30_000, []]]);
});

test("TumblingWindow hands on the open window at the end, and no empty one", () => {
  const { window, lists, push } = setUp({ eventTime: true });
  window.end!();
  push(1000);
  window.end!();
  window.end!();
  assert.deepEqual(lists, [[1000, 10_000, [1000]]]);
});

test("TumblingWindow does not emit millions of empty windows after one wrong timestamp", () => {
  const { lists, push } = setUp({ eventTime: true });
  push(1000, 1e12 + 3000, 1e12 + 12_000);
  assert.ok(lists.length < 1100, `${lists.length} lists`);
  assert.deepEqual(lists.at(-1), [1e12, 1e12 + 10_000, [1e12 + 3000]]);
});

test("TumblingWindow takes a watermark at infinity as the end of all windows", () => {
  const { lists, push, advance } = setUp({ eventTime: true });
  push(1000);
  advance(Infinity);
  assert.deepEqual(lists, [[1000, 10_000, [1000]]]);
});

test("TumblingWindow ends at the next boundary when the clock was set back", () => {
  const { window, lists, push, advance } = setUp({ eventTime: false, start: 100_000 });
  push(101_000);
  advance(33_000);
  assert.equal(window.deadline(), 40_000);
  advance(40_000);
  assert.deepEqual(lists, [[33_000, 40_000, [101_000]]]);
});

test("TumblingWindow goes on where a snapshot was taken", () => {
  const before = setUp({ eventTime: false, start: 7000 });
  before.push(8000);
  const after = setUp({ eventTime: false, start: 12_345 });
  after.window.restore!(before.window.snapshot!());
  assert.equal(after.window.deadline(), 10_000);
  after.advance(20_000);
  assert.deepEqual(after.lists, [[7000, 10_000, [8000]], [10_000, 20_000, []]]);
});

test("TumblingWindow that was restored before its first row opens with it", () => {
  const before = setUp({ eventTime: true });
  const after = setUp({ eventTime: true });
  after.window.restore!(before.window.snapshot!());
  after.push(3000, 11_000);
  assert.deepEqual(after.lists, [[3000, 10_000, [3000]]]);
});
