import assert from "node:assert/strict";
import { test } from "node:test";
import type { DedupTriggerPlan } from "../../sql/plan.ts";
import { NodeMetrics } from "../../telemetry/node_metrics.ts";
import { Row } from "../../value/row.ts";
import { SeededRandom } from "../../value/seeded_random.ts";
import type { Value } from "../../value/value.ts";
import { decodeState, encodeState } from "../state_codec.ts";
import { planOf } from "../statement_fixture.ts";
import { DedupTriggerOperator } from "./dedup_trigger.ts";

type Part = { readonly start_key: string; readonly end_key: string };

function setUp(expire = 1000) {
  const { root } = planOf(`SELECT dedup_trigger(s, e, t, ${expire}) AS parts FROM demo`);
  assert.ok(root.kind === "project" && root.input.kind === "dedup_trigger");
  const plan: DedupTriggerPlan = root.input;
  const out: [id: Value, parts: string[]][] = [];
  const dropped: string[] = [];
  const rule = { ruleId: "r", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0 };
  const context = {
    rule,
    changingSlots: [],
    metrics: new NodeMetrics(),
    fail: assert.fail as () => never,
    drop: (reason: string, count: number) => void dropped.push(`${reason} ${count}`),
  };
  const operator = new DedupTriggerOperator(plan, context, {
    push: ({ rows }) => {
      for (const row of rows) {
        const parts = (row.slots?.[plan.call.slot] ?? []) as Part[];
        out.push([row.values.id, parts.map(({ start_key, end_key }) => `${start_key}-${end_key}`)]);
      }
    },
    advance() {},
  });
  const push = (id: number, s: number, e: number, t: number) => {
    operator.push({ rows: [new Row({ id, s, e, t }, rule.now)], window: undefined });
    return out.splice(0);
  };
  const advance = (now: number) => {
    rule.now = now;
    operator.advance({ processing: now, watermark: -Infinity });
    return out.splice(0);
  };
  return { operator, out, dropped, push, advance };
}

test("DedupTriggerOperator tells when the first row is due, counted from the latest now", () => {
  const { operator, push, advance } = setUp();
  assert.equal(operator.deadline(), Infinity);
  assert.deepEqual(advance(100), []);
  push(1, 0, 5000, 1000);
  assert.equal(operator.deadline(), 4100);
  advance(600);
  push(2, 0, 4000, 2000);
  assert.equal(operator.deadline(), 2600);
  assert.deepEqual(advance(2600), [[2, ["1000-4000"]]]);
  assert.equal(operator.deadline(), 3600);
  assert.equal(operator.held(), 1);
  // A row whose clock is behind does not set back the time.
  assert.deepEqual(push(3, 0, 3900, 1500), [[3, ["500-1000"]]]);
  assert.deepEqual(advance(3600), [[1, ["0-500", "4000-5000"]]]);
});

test("DedupTriggerOperator goes on where a snapshot was taken", () => {
  const before = setUp();
  before.push(1, 0, 10, 10);
  before.push(2, 5, 50, 20);
  before.push(3, 5, 30, 20);
  const after = setUp();
  after.operator.restore(decodeState(encodeState(before.operator.snapshot())));
  assert.equal(after.operator.held(), 2);
  assert.equal(after.operator.deadline(), 30 - 20);
  assert.deepEqual(after.push(4, 0, 60, 50), [[3, ["10-30"]], [2, ["30-50"]]]);
  after.operator.end();
  assert.deepEqual(after.out, [[4, ["50-60"]]]);
});

test("DedupTriggerOperator gives up the row that would wait longest when too many wait", () => {
  const { operator, dropped, push } = setUp();
  for (let i = 0; i < 100_000; i++) push(i, 0, 1000 + i, 0);
  push(-1, 0, 500, 0);
  assert.deepEqual(dropped, ["dedup_trigger full 1"]);
  assert.equal(operator.held(), 100_000);
});

test("DedupTriggerOperator knows for a row that waits long what left before, however far time has come", () => {
  const { operator, out, push } = setUp(100);
  push(1, 0, 50, 10);
  push(2, 20, 9000, 30);
  assert.deepEqual(push(3, 490, 9500, 500), [[1, ["0-50"]]]);
  for (let i = 0; i < 3000; i++) push(10 + i, 2000 + 2 * i, 2001 + 2 * i, 2001 + 2 * i);
  operator.end();
  const [, parts] = out.find(([id]) => id === 2)!;
  assert.deepEqual(parts.slice(0, 2), ["50-2000", "2001-2002"]);
});

test("DedupTriggerOperator lets many rows leave at once, in time that grows with their number", () => {
  const { operator, out } = setUp(1e9);
  const rows = Array.from({ length: 50_000 }, (_, id) => new Row({ id, s: 10 * id, e: 10 * id + 5, t: 0 }, 0));
  operator.push({ rows, window: undefined });
  const started = performance.now();
  operator.end();
  assert.ok(performance.now() - started < 5000);
  assert.deepEqual(out.at(-1), [49_999, ["499990-499995"]]);
});

test("every moment is given once, for random spans that do not expire", () => {
  const random = new SeededRandom(11);
  const momentsOf = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  const { operator, out } = setUp(1_000_000);
  const asked = Array.from({ length: 500 }, () => {
    const start = random.below(3000);
    return { s: start, e: start + 1 + random.below(50), t: 0 };
  });
  operator.push({ rows: asked.map((span, id) => new Row({ id, ...span }, 0)), window: undefined });
  operator.end();
  const given = out.flatMap(([, parts]) =>
    parts.flatMap((part) => momentsOf(...(part.split("-").map(Number) as [number, number])))
  );
  assert.equal(out.length, 500);
  assert.equal(given.length, new Set(given).size);
  assert.deepEqual(new Set(given), new Set(asked.flatMap(({ s, e }) => momentsOf(s, e))));
});
