import { test } from "node:test";
import assert from "node:assert/strict";
import { NodeMetrics } from "../../telemetry/node_metrics.ts";
import { Row } from "../../value/row.ts";
import type { Batch, OperatorContext } from "../operator.ts";
import { decodeState, encodeState } from "../state_codec.ts";
import { RowContent } from "./content.ts";
import { SessionWindow } from "./session.ts";

/** A longest duration of 20 s and a gap of 4 s; times are seconds. */
function setUp(options: { eventTime: boolean; start?: number; length?: number; gap?: number }) {
  const { eventTime, start = 0, length = 20, gap = 4 } = options;
  const lists: [start: number, end: number, rows: number[]][] = [];
  const context: OperatorContext = {
    rule: { ruleId: "r", ruleStart: start * 1000, now: 0, timezone: "UTC", random: () => 0 },
    changingSlots: [],
    metrics: new NodeMetrics(),
    fail: (error) => assert.fail(String(error)),
    drop: () => assert.fail("nothing is dropped"),
  };
  const window = new SessionWindow({ length, gap, unit: "ss", eventTime }, new RowContent(context), context, {
    push({ rows, window }: Batch) {
      assert.equal(window?.trigger, window?.end);
      lists.push([window!.start! / 1000, window!.end! / 1000, rows.map((row) => row.time / 1000)]);
    },
    advance() {},
  });
  const push = (...times: number[]) => {
    window.push({ rows: times.map((time) => new Row({}, time * 1000)), window: undefined });
    return lists.splice(0);
  };
  const advance = (time: number) => {
    const progress = eventTime
      ? { processing: 0, watermark: time * 1000 }
      : { processing: time * 1000, watermark: -Infinity };
    window.advance(progress);
    return lists.splice(0);
  };
  const end = () => {
    window.end();
    return lists.splice(0);
  };
  return { window, push, advance, end };
}

test("SessionWindow ends at the gap behind its latest row", () => {
  const { window, push, advance } = setUp({ eventTime: false });
  assert.equal(window.deadline(), Infinity);
  push(3);
  assert.equal(window.deadline(), 7000);
  push(5);
  assert.equal(window.deadline(), 9000);
  assert.deepEqual(advance(8.999), []);
  assert.deepEqual(advance(9), [[3, 9, [3, 5]]]);
  assert.equal(window.deadline(), Infinity);
});

test("SessionWindow hands on no empty session, however late the clock is told", () => {
  const { push, advance } = setUp({ eventTime: false });
  assert.deepEqual(advance(1000), []);
  push(1001);
  assert.deepEqual(advance(5000), [[1001, 1005, [1001]]]);
});

test("SessionWindow in processing time takes a row at the gap's end into the next session", () => {
  const { push } = setUp({ eventTime: false });
  assert.deepEqual(push(3, 7, 12), [[3, 7, [3]], [7, 11, [7]]]);
});

test("SessionWindow ends at a tick once its first row is as old as the longest duration", () => {
  const { push, advance } = setUp({ eventTime: false, gap: 30 });
  push(1, 19, 39);
  assert.deepEqual(advance(39.999), []);
  assert.deepEqual(advance(40), [[1, 40, [1, 19, 39]]]);
});

test("SessionWindow that began on a tick ends at the next one", () => {
  const { push, advance } = setUp({ eventTime: false, gap: 30 });
  push(20, 39);
  assert.deepEqual(advance(40), [[20, 40, [20, 39]]]);
});

test("SessionWindow counts its ticks from the start of the rule", () => {
  const { push } = setUp({ eventTime: false, start: 13, length: 25, gap: 100 });
  // The first tick is aligned: 25. The others follow, 50 and 75, though 60 would be the start of a minute.
  assert.deepEqual(push(14, 40, 50, 75), [[14, 50, [14, 40]], [50, 75, [50]]]);
});

test("SessionWindow begins where a tick ended the one before, or with its first row behind a gap", () => {
  const { push } = setUp({ eventTime: false, gap: 15 });
  assert.deepEqual(push(5, 15, 25, 35, 41, 58), [[5, 40, [5, 15, 25, 35]], [40, 56, [41]]]);
  assert.deepEqual(push(100), [[58, 73, [58]]]);
});

test("SessionWindow ends by the gap where a tick falls on the same moment", () => {
  const { push, advance } = setUp({ eventTime: false });
  push(18, 21, 24, 27, 30, 33, 36);
  assert.deepEqual(advance(40), [[18, 40, [18, 21, 24, 27, 30, 33, 36]]]);
  assert.deepEqual(push(42, 50), [[42, 46, [42]]]);
});

test("SessionWindow goes on from now when the clock was set back", () => {
  const { window, push, advance } = setUp({ eventTime: false, gap: 30 });
  push(100, 101);
  assert.deepEqual(advance(13), []);
  assert.equal(window.deadline(), 40_000);
  push(14);
  assert.deepEqual(advance(40), [[13, 40, [100, 101, 14]]]);
});

test("SessionWindow is as old as before when the clock was set back a little, as rows of two streams do", () => {
  const { push, advance } = setUp({ eventTime: false, gap: 30 });
  push(5, 18, 35);
  assert.deepEqual(advance(34.99), []);
  assert.deepEqual(push(34.99), []);
  assert.deepEqual(advance(40), [[5, 40, [5, 18, 35, 34.99]]]);
  // Nothing begins later than its first row.
  advance(39.9);
  push(39.9);
  assert.deepEqual(advance(100), [[39.9, 60, [39.9]]]);
});

test("SessionWindow in event time goes on while rows are no more than the gap apart", () => {
  const { window, push } = setUp({ eventTime: true });
  assert.deepEqual(push(3, 7, 11), []);
  assert.equal(window.deadline(), Infinity);
  assert.deepEqual(push(15.001), [[3, 15, [3, 7, 11]]]);
});

test("SessionWindow in event time ends by the gap when the watermark is behind it", () => {
  const { push, advance } = setUp({ eventTime: true });
  push(3, 5);
  assert.deepEqual(advance(9), []);
  assert.deepEqual(advance(9.001), [[3, 9, [3, 5]]]);
  assert.deepEqual(advance(100), []);
});

test("SessionWindow in event time ends at the second tick behind its first row", () => {
  const { push } = setUp({ eventTime: true, gap: 15 });
  assert.deepEqual(push(1, 15, 22, 35, 40, 40.001), [[1, 40, [1, 15, 22, 35]]]);
  // Both rows behind the tick are in the next one, the row on the tick too, and its own ticks follow from there.
  assert.deepEqual(push(50, 60, 70, 80), []);
  assert.deepEqual(push(81), [[40, 80, [40, 40.001, 50, 60, 70]]]);
});

test("SessionWindow in event time keeps a row on the last tick when the gap ends it", () => {
  const { window, push, advance } = setUp({ eventTime: true, gap: 15 });
  push(1, 15, 30, 40, 40);
  assert.equal(window.held(), 5);
  assert.deepEqual(advance(40), []);
  assert.deepEqual(advance(56), [[1, 55, [1, 15, 30, 40, 40]]]);
});

test("SessionWindow in event time ends a row on the last tick by itself when the next one is far away", () => {
  const { push } = setUp({ eventTime: true, gap: 15 });
  assert.deepEqual(push(1, 15, 30, 40, 100), [[1, 40, [1, 15, 30]], [40, 55, [40]]]);
});

test("SessionWindow in event time prefers the gap to a tick at the same time", () => {
  const { push } = setUp({ eventTime: true, gap: 15 });
  assert.deepEqual(push(1, 15, 25, 100), [[1, 40, [1, 15, 25]]]);
  assert.deepEqual(push(200), [[100, 115, [100]]]);
});

test("SessionWindow hands on the open session at the end, as if time went on without rows", () => {
  for (const eventTime of [false, true]) {
    const { push, end } = setUp({ eventTime });
    assert.deepEqual(end(), []);
    push(3, 5);
    assert.deepEqual(end(), [[3, 9, [3, 5]]]);
    assert.deepEqual(end(), []);
  }
  const clock = setUp({ eventTime: false, gap: 30 });
  clock.push(1, 25);
  assert.deepEqual(clock.end(), [[1, 40, [1, 25]]]);
  const event = setUp({ eventTime: true, gap: 15 });
  event.push(1, 15, 30, 40);
  assert.deepEqual(event.end(), [[1, 55, [1, 15, 30, 40]]]);
});

test("SessionWindow takes a watermark at infinity as the end", () => {
  const { push, advance } = setUp({ eventTime: true });
  push(3);
  assert.deepEqual(advance(Infinity), [[3, 7, [3]]]);
});

test("SessionWindow goes on where a snapshot was taken, between any two rows", () => {
  const times = [1, 15, 30, 40, 40, 41, 47, 59, 70, 81, 120];
  for (const eventTime of [false, true]) {
    const whole = setUp({ eventTime, start: 7, gap: 12, length: 20 });
    const expected = [...push(whole, times), ...whole.end()];
    for (let cut = 0; cut <= times.length; cut++) {
      const before = setUp({ eventTime, start: 7, gap: 12, length: 20 });
      const lists = push(before, times.slice(0, cut));
      const after = setUp({ eventTime, start: 33, gap: 12, length: 20 });
      after.window.restore(decodeState(encodeState(before.window.snapshot())));
      assert.equal(after.window.deadline(), before.window.deadline());
      assert.equal(after.window.held(), before.window.held());
      assert.deepEqual([...lists, ...push(after, times.slice(cut)), ...after.end()], expected, `cut at ${cut}`);
    }
  }
  function push(session: ReturnType<typeof setUp>, rows: readonly number[]) {
    return rows.flatMap((time) => [...session.advance(time), ...session.push(time)]);
  }
});
