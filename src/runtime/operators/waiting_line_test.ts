import assert from "node:assert/strict";
import { test } from "node:test";
import { RowError } from "../../diagnostics/row_error.ts";
import { NodeMetrics } from "../../telemetry/node_metrics.ts";
import { Row } from "../../value/row.ts";
import type { OperatorContext } from "../operator.ts";
import { WaitingLine } from "./waiting_line.ts";

/** Batches of as many rows as their number says; those from 10 on wait until they are let go, or fail. */
function setUp() {
  const out: string[] = [];
  const waits: { go(): void; fail(error: Error): void }[] = [];
  const context: OperatorContext = {
    rule: { ruleId: "r", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0 },
    changingSlots: [],
    metrics: new NodeMetrics(),
    fail: (error) => void out.push(`! ${(error as RowError).message}`),
    drop: () => assert.fail("nothing is dropped"),
  };
  const output = {
    push: () => assert.fail("the line hands nothing on by itself"),
    advance: ({ processing }: { processing: number }) => void out.push(`@${processing}`),
  };
  const line: WaitingLine = new WaitingLine(
    ({ rows }) => {
      if (rows.length < 10) {
        out.push(String(rows.length));
        return undefined;
      }
      return new Promise<void>((resolve, reject) => waits.push({ go: resolve, fail: reject }))
        .then(() => () => void out.push(String(rows.length)));
    },
    context,
    output,
  );
  const push = (count: number) =>
    line.push({ rows: Array.from({ length: count }, () => new Row({}, 0)), window: undefined });
  const advance = (processing: number) => line.advance({ processing, watermark: -Infinity });
  return { line, push, advance, out, waits };
}

test("WaitingLine hands on at once what need not wait", () => {
  const { line, push, advance, out } = setUp();
  push(1);
  advance(5);
  push(2);
  assert.deepEqual([out, line.held(), line.settled()], [["1", "@5", "2"], 0, undefined]);
});

test("WaitingLine keeps batches and time in order behind what waits", async () => {
  const { line, push, advance, out, waits } = setUp();
  push(10);
  push(1);
  advance(5);
  push(11);
  push(2);
  advance(6);
  assert.deepEqual([out, line.held()], [[], 24]);
  const settled = line.settled()!;
  waits[0]!.go();
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual([out, line.held()], [["10", "1", "@5"], 13]);
  waits[1]!.go();
  await settled;
  assert.deepEqual([out, line.held(), line.settled()], [["10", "1", "@5", "11", "2", "@6"], 0, undefined]);
});

test("WaitingLine goes on behind a batch that fails while it waits", async () => {
  const { line, push, out, waits } = setUp();
  push(10);
  push(1);
  waits[0]!.fail(new RowError("E506", "no"));
  await line.settled();
  assert.deepEqual([out, line.held()], [["! no", "1"], 0]);
});
