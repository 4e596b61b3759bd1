import { test } from "node:test";
import assert from "node:assert/strict";
import { NodeMetrics } from "../../telemetry/node_metrics.ts";
import { Row } from "../../value/row.ts";
import type { Batch, OperatorContext } from "../operator.ts";
import { decodeState, encodeState } from "../state_codec.ts";
import { RowContent } from "./content.ts";
import { CountWindow, LatestRows } from "./count.ts";

function setUp(length: number, interval = length) {
  const lists: Batch[] = [];
  const context: OperatorContext = {
    rule: { ruleId: "r", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0 },
    changingSlots: [1],
    metrics: new NodeMetrics(),
    fail: (error) => assert.fail(String(error)),
    drop: () => assert.fail("nothing is dropped"),
  };
  const content = interval < length ? new LatestRows(length, context) : new RowContent(context);
  const window = new CountWindow({ length, interval }, content, context, {
    push: (batch) => void lists.push(batch),
    advance() {},
  });
  /** Rows with these times, at that time of the clock. */
  const push = (times: readonly number[], now = 0) => {
    context.rule.now = now;
    window.push({ rows: times.map((time) => new Row({}, time)), window: undefined });
    return lists.splice(0).map(({ rows }) => rows.map((row) => row.time));
  };
  return { window, lists, push };
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

test("CountWindow without interval gives disjoint lists", () => {
  const { window, push } = setUp(3);
  assert.deepEqual(push(upTo(8)), [[1, 2, 3], [4, 5, 6]]);
  assert.equal(window.held(), 2);
  assert.deepEqual(push([9]), [[7, 8, 9]]);
});

test("CountWindow of one row gives each by itself", () => {
  assert.deepEqual(setUp(1).push([1, 2]), [[1], [2]]);
});

test("CountWindow with interval gives the latest rows on every such row, once there are enough", () => {
  assert.deepEqual(setUp(4, 3).push(upTo(10)), [[3, 4, 5, 6], [6, 7, 8, 9]]);
  assert.deepEqual(setUp(3, 1).push(upTo(5)), [[1, 2, 3], [2, 3, 4], [3, 4, 5]]);
  assert.deepEqual(setUp(6, 4).push(upTo(17)).map((rows) => rows.at(-1)), [8, 12, 16]);
});

test("CountWindow has the times of the clock at emission", () => {
  const { window, lists, push } = setUp(2);
  push([1], 10);
  lists.length = 0;
  window.push({ rows: [new Row({}, 2)], window: undefined });
  assert.deepEqual(lists[0]!.window, { start: 10, end: 10, trigger: 10 });
});

test("CountWindow gives each list rows of its own", () => {
  const { window, lists } = setUp(2, 1);
  const row = new Row({ a: 1 }, 1);
  row.slots = ["kept", "forgotten"];
  window.push({ rows: [new Row({}, 0), row, new Row({}, 2)], window: undefined });
  const [first, second] = [lists[0]!.rows[1]!, lists[1]!.rows[0]!];
  assert.deepEqual([first.values, second.values], [{ a: 1 }, { a: 1 }]);
  assert.deepEqual([first.slots, second.slots], [["kept", undefined], ["kept", undefined]]);
  first.slots![0] = "changed";
  assert.equal(second.slots![0], "kept");
  assert.deepEqual(row.slots, ["kept", "forgotten"]);
  assert.equal(row.window, undefined);
});

test("CountWindow holds the rows that no list has had yet", () => {
  const { window, push } = setUp(4, 3);
  assert.equal(window.held(), 0);
  push(upTo(5));
  assert.equal(window.held(), 4);
  push([6]);
  assert.equal(window.held(), 0);
  push([7]);
  assert.equal(window.held(), 1);
});

test("CountWindow forgets rows that wait for more of them at the end", () => {
  for (const interval of [2, 4]) {
    const { window, lists, push } = setUp(4, interval);
    push(upTo(7));
    window.end();
    assert.equal(window.held(), 0);
    assert.deepEqual(lists, []);
  }
});

test("CountWindow goes on where a snapshot was taken, after any row", () => {
  for (const [length, interval] of [[3, 3], [4, 3], [5, 1], [4, 2]] as const) {
    const expected = setUp(length, interval).push(upTo(14));
    for (let cut = 0; cut <= 14; cut++) {
      const before = setUp(length, interval);
      const lists = before.push(upTo(cut));
      const after = setUp(length, interval);
      after.window.restore(decodeState(encodeState(before.window.snapshot())));
      assert.equal(after.window.held(), before.window.held());
      assert.deepEqual([...lists, ...after.push(upTo(14).slice(cut))], expected, `(${length}, ${interval}) at ${cut}`);
    }
  }
});
