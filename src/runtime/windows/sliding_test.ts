import { test } from "node:test";
import assert from "node:assert/strict";
import { NodeMetrics } from "../../telemetry/node_metrics.ts";
import { Row, type WindowSpan } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import type { OperatorContext } from "../operator.ts";
import { decodeState, encodeState } from "../state_codec.ts";
import { RowPanes } from "./pane_content.ts";
import { type SlidingShape, SlidingWindow } from "./sliding.ts";

type List = [start: number | undefined, end: number | undefined, rows: number[]];

/** Lengths are in seconds; `when` judges the time of a row. */
function setUp(options: Partial<SlidingShape> & { when?: (time: number) => boolean }) {
  const { when, ...shape } = options;
  const lists: List[] = [];
  const spans: WindowSpan[] = [];
  const contents: RowPanes[] = [];
  const context = { changingSlots: [], metrics: new NodeMetrics() } as unknown as OperatorContext;
  const window = new SlidingWindow(
    { length: 10, delay: 0, unit: "ss", eventTime: false, twice: false, openLeft: false, ...shape },
    when === undefined ? undefined : { holds: (row) => when(row.time), hits: undefined },
    () => {
      const content = new RowPanes(context);
      contents.push(content);
      return content;
    },
    context,
    {
      push: ({ rows, window: span }) => {
        spans.push(span!);
        lists.push([span?.start, span?.end, rows.map((row) => row.time)]);
      },
      advance() {},
    },
  );
  const push = (...times: number[]) => window.push({ rows: times.map((time) => new Row({}, time)), window: undefined });
  const advance = (time: number) =>
    window.advance(
      shape.eventTime === true ? { processing: 0, watermark: time } : { processing: time, watermark: -Infinity },
    );
  return { window, taken: () => lists.splice(0), spans, contents, push, advance, metrics: context.metrics };
}

test("SlidingWindow in processing time hands on a window with every row, at once", () => {
  const { window, taken, push } = setUp({});
  push(1000, 11_000, 11_001);
  assert.deepEqual(taken(), [
    [-9000, 1000, [1000]],
    [1000, 11_000, [1000, 11_000]],
    [1001, 11_001, [11_000, 11_001]],
  ]);
  assert.equal(window.deadline(), Infinity);
  assert.equal(window.held(), 0);
});

test("SlidingWindow in event time waits for the watermark, and takes all rows of the time in", () => {
  const { taken, push, advance } = setUp({ eventTime: true });
  push(1000, 1000, 2000);
  assert.deepEqual(taken(), [[-9000, 1000, [1000, 1000]], [-9000, 1000, [1000, 1000]]]);
  advance(1999);
  assert.deepEqual(taken(), []);
  advance(2000);
  assert.deepEqual(taken(), [[-8000, 2000, [1000, 1000, 2000]]]);
});

test("SlidingWindow with a delay waits for the clock, and takes in what comes before the end", () => {
  const { window, taken, push, advance } = setUp({ delay: 3, when: (time) => time === 1000 });
  push(1000, 2000);
  assert.equal(window.deadline(), 4000);
  assert.equal(window.held(), 2);
  push(4000);
  assert.deepEqual(taken(), [[-9000, 4000, [1000, 2000]]]);
  assert.equal(window.deadline(), Infinity);
  advance(99_000);
  assert.deepEqual(taken(), []);
});

test("SlidingWindow with a delay in event time waits for the watermark", () => {
  const { window, taken, push, advance } = setUp({ delay: 3, eventTime: true });
  push(1000, 3999);
  assert.equal(window.deadline(), Infinity);
  advance(3999);
  assert.deepEqual(taken(), []);
  advance(4000);
  assert.deepEqual(taken(), [[-9000, 4000, [1000, 3999]]]);
});

test("SlidingWindow discards rows that no later window can hold, also while nothing triggers", () => {
  const { contents, push } = setUp({ when: () => false });
  push(...Array.from({ length: 100 }, (_, i) => i * 1000));
  assert.equal(contents[0]!.size, 11);
});

test("SlidingWindow keeps rows that a window which waits still needs", () => {
  const { taken, push, advance } = setUp({ length: 1, delay: 10, when: (time) => time === 1000 });
  push(0, 1000, 5000, 9000);
  advance(11_000);
  assert.deepEqual(taken(), [[0, 11_000, [0, 1000, 5000, 9000]]]);
});

test("SlidingWindow with an open left edge leaves out what is exactly as old as it is long", () => {
  const { taken, push } = setUp({ openLeft: true });
  push(1000, 11_000);
  assert.deepEqual(taken(), [[-9000, 1000, [1000]], [1000, 11_000, [11_000]]]);
});

test("SlidingWindow gives two windows for a trigger where that is asked for, the second one also when it is empty", () => {
  const { window, taken, spans, push, advance } = setUp({ length: 2, delay: 3, twice: true });
  push(1000, 3000);
  assert.deepEqual(taken(), [[-1000, 1000, [1000]], [1000, 3000, [3000]]]);
  assert.equal(window.deadline(), 4000);
  advance(6000);
  assert.deepEqual(taken(), [[1000, 4000, [3000]], [3000, 6000, []]]);
  assert.deepEqual(spans.map(({ trigger, empty }) => [trigger, empty]), [
    [1000, undefined],
    [3000, undefined],
    [1000, undefined],
    [3000, true],
  ]);
});

test("SlidingWindow hands on the windows that wait at the end", () => {
  const { window, taken, push } = setUp({ delay: 3 });
  push(1000, 2000);
  window.end();
  window.end();
  assert.deepEqual(taken(), [[-9000, 4000, [1000, 2000]], [-8000, 5000, [1000, 2000]]]);
});

test("SlidingWindow takes a watermark at infinity as the end", () => {
  const { taken, push, advance } = setUp({ eventTime: true });
  push(1000);
  advance(Infinity);
  assert.deepEqual(taken(), [[-9000, 1000, [1000]]]);
});

test("SlidingWindow moves rows and windows that wait with a clock that is set back", () => {
  const { window, taken, push, advance } = setUp({ delay: 3 });
  advance(101_000);
  push(101_000);
  advance(31_000);
  assert.equal(window.deadline(), 34_000);
  push(32_000);
  advance(34_000);
  assert.deepEqual(taken(), [[21_000, 34_000, [101_000, 32_000]]]);
});

test("SlidingWindow goes on where a snapshot was taken", () => {
  const options = { delay: 3, twice: true };
  const before = setUp(options);
  before.push(1000, 2000);
  const after = setUp(options);
  after.window.restore(decodeState(encodeState(before.window.snapshot() as Value)));
  assert.equal(after.window.deadline(), 4000);
  after.push(3000);
  after.window.end();
  assert.deepEqual(after.taken(), [
    [-7000, 3000, [1000, 2000, 3000]],
    [1000, 4000, [2000, 3000]],
    [2000, 5000, [3000]],
    [3000, 6000, []],
  ]);
});
