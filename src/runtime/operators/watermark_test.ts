import { test } from "node:test";
import assert from "node:assert/strict";
import type { RowError } from "../../diagnostics/row_error.ts";
import type { WatermarkPlan } from "../../sql/plan.ts";
import { NodeMetrics } from "../../telemetry/node_metrics.ts";
import { DateTime } from "../../value/datetime.ts";
import { Row } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import { decodeState, encodeState } from "../state_codec.ts";
import { waitingRowsMax, WatermarkOperator } from "./watermark.ts";

function setUp(options: Partial<WatermarkPlan> = {}) {
  const out: (string | number)[] = [];
  const plan: WatermarkPlan = {
    kind: "watermark",
    input: { kind: "source" } as WatermarkPlan["input"],
    timestamps: [{ source: 0, column: "ts", format: undefined }],
    lateTolerance: 1000,
    rowByRow: false,
    ...options,
  };
  const context = {
    rule: { ruleId: "r", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0 },
    changingSlots: [],
    metrics: new NodeMetrics(),
    fail: (error: unknown) => void out.push(`! ${(error as RowError).code}`),
    drop: (reason: string, count: number) => void out.push(`- ${reason} ${count}`),
  };
  const operator = new WatermarkOperator(plan, context, {
    push: ({ rows }) => void out.push(...rows.map((row) => row.time)),
    advance: ({ watermark }) => {
      if (out.at(-1) !== `w ${watermark}`) out.push(`w ${watermark}`);
    },
  });
  const push = (...times: Value[]) => {
    operator.push({ rows: times.map((ts) => new Row(ts === undefined ? {} : { ts }, 0)), window: undefined });
    return out.splice(0);
  };
  return { operator, out, push };
}

test("WatermarkOperator holds rows back until the watermark has reached them", () => {
  const { push } = setUp();
  assert.deepEqual(push(5000), ["w 4000"]);
  assert.deepEqual(push(4500), ["w 4000"]);
  assert.deepEqual(push(6000), [4500, 5000, "w 5000"]);
});

test("WatermarkOperator tells no watermark before the first row", () => {
  const { operator, out } = setUp();
  operator.advance({ processing: 9, watermark: -Infinity });
  assert.deepEqual(out, ["w -Infinity"]);
});

test("WatermarkOperator drops what is below the watermark and accepts what is equal", () => {
  const { push } = setUp();
  push(5000);
  assert.deepEqual(push(3999, 4000), ["- late 1", 4000, "w 4000"]);
});

test("WatermarkOperator reads numbers, ints, texts and datetimes, and refuses the rest", () => {
  const { push } = setUp({ lateTolerance: 0 });
  assert.deepEqual(push(1.9), [1, "w 1"]);
  assert.deepEqual(push(2n), [2, "w 2"]);
  assert.deepEqual(push("1970-01-01T00:00:00.003Z"), [3, "w 3"]);
  assert.deepEqual(push(new DateTime(4, "UTC")), [4, "w 4"]);
  assert.deepEqual(push(undefined, null, "soon", true, NaN, [5]), [...Array(6).fill("! E507"), "w 4"]);
  // Nanoseconds: taken for milliseconds, they would make everything behind them late.
  assert.deepEqual(push(1.7e18, 1_700_000_000_000_000_000n, -1e300), [...Array(3).fill("! E507"), "w 4"]);
});

test("WatermarkOperator sorts rows that come in reverse, keeping equal ones in order", () => {
  const { operator, out } = setUp({ lateTolerance: 10_000 });
  const seen: [number, Value][] = [];
  const order = new WatermarkOperator(
    {
      kind: "watermark",
      input: { kind: "source" } as never,
      timestamps: [{ source: 0, column: "ts", format: undefined }],
      lateTolerance: 1e6,
      rowByRow: false,
    },
    {
      rule: { ruleId: "r", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0 },
      changingSlots: [],
      metrics: new NodeMetrics(),
      fail: assert.fail,
      drop: assert.fail as () => never,
    },
    { push: ({ rows }) => void seen.push(...rows.map((r): [number, Value] => [r.time, r.values.i])), advance() {} },
  );
  const rows = [5, 3, 5, 1, 3].map((ts, i) => new Row({ ts, i }, 0));
  order.push({ rows, window: undefined });
  order.end();
  assert.deepEqual(seen, [[1, 3], [3, 1], [3, 4], [5, 0], [5, 2]]);
  operator.end();
  assert.deepEqual(out, []);
});

test("WatermarkOperator takes a watermark from outside", () => {
  const { operator, out, push } = setUp();
  push(5000);
  operator.advance({ processing: 0, watermark: 6000 });
  assert.deepEqual(out.splice(0), [5000, "w 6000"]);
  assert.deepEqual(push(5500), ["- late 1", "w 6000"]);
});

test("WatermarkOperator releases many rows in linear time", () => {
  const { push } = setUp({ lateTolerance: 50_000 });
  const begin = performance.now();
  let released = 0;
  for (let i = 0; i < 100_000; i++) released += push(i).filter((item) => typeof item === "number").length;
  assert.equal(released, 50_000);
  assert.ok(performance.now() - begin < 10_000);
});

test("WatermarkOperator keeps so many rows of a stream that waits for another, and no more", () => {
  const { operator, out, push } = setUp({
    timestamps: [{ source: 0, column: "ts", format: undefined }, { source: 1, column: "ts", format: undefined }],
  });
  const rows = Array.from({ length: waitingRowsMax - 1 }, () => new Row({ ts: 5000 }, 0));
  operator.push({ rows, window: undefined });
  assert.equal(operator.held(), waitingRowsMax - 1);
  out.length = 0;
  assert.deepEqual(push(5000, 5000, 9000), ["- event time full 2", "w -Infinity"]);
  assert.equal(operator.held(), waitingRowsMax);
});

test("WatermarkOperator goes on where a snapshot was taken", () => {
  const before = setUp();
  before.push(5000, 4200);
  const after = setUp();
  after.operator.restore(decodeState(encodeState(before.operator.snapshot())));
  assert.deepEqual(after.push(3000, 6000), ["- late 1", 4200, 5000, "w 5000"]);
});

test("WatermarkOperator releases row by row what some windows look at row by row, however rows come together", () => {
  const times = [5000, 5000, 5000, 7000, 7000, 6000];
  const expected = [5000, "w 5000", 5000, "w 5000", 5000, "w 5000", 7000, "w 7000", 7000, "w 7000", "- late 1"];
  const singly = setUp({ lateTolerance: 0, rowByRow: true });
  assert.deepEqual(times.flatMap((time) => singly.push(time)).slice(0, expected.length), expected);
  const together = setUp({ lateTolerance: 0, rowByRow: true });
  assert.deepEqual(together.push(...times).slice(0, expected.length), expected);
  const atOnce = setUp({ lateTolerance: 0 });
  assert.deepEqual(atOnce.push(...times), ["- late 1", 5000, 5000, 5000, 7000, 7000, "w 7000"]);
});
