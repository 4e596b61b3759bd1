import assert from "node:assert/strict";
import { test } from "node:test";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { Row } from "../value/row.ts";
import { RowListeners } from "./row_listener.ts";

const numbers = (from: number, count: number) => Array.from({ length: count }, (_, i) => ({ n: from + i }));

test("a listener gets results in order, and loses, counted, what does not fit while it does not take", async () => {
  const listeners = new RowListeners();
  listeners.results(numbers(0, 1), 0);
  const listener = listeners.toResults();
  listeners.results(numbers(0, 400), 0);
  listeners.results(numbers(400, 400), 0);
  await listener.more();
  const first = listener.take();
  assert.deepEqual(first.rows, numbers(0, 500).map((row) => JSON.stringify(row)));
  assert.equal(first.lost, 300);
  const more = listener.more();
  listeners.results([{ n: 801 }], 0);
  await more;
  assert.deepEqual(listener.take(), { rows: ['{"n":801}'], lost: 0 });
  listener.close();
  listeners.results([{ n: 802 }], 0);
  assert.deepEqual(listener.take(), { rows: [], lost: 0, ended: "closed" });
});

test("rows are not encoded for a listener that is behind, however large they are", () => {
  const listeners = new RowListeners();
  const listener = listeners.toResults();
  let encoded = 0;
  const row = {
    get text() {
      return encoded++, "x".repeat(100_000);
    },
  };
  for (let i = 0; i < 100; i++) listeners.results([row], 0);
  const { rows, lost } = listener.take();
  assert.deepEqual([rows.length, lost], [3, 97]);
  assert.ok(encoded <= 6, `${encoded}`);
});

test("of a graph one end can be listened to; the end of the rule is told", async () => {
  const listeners = new RowListeners();
  const [all, second] = [listeners.toResults(), listeners.toResults(1)];
  listeners.results([{ a: 1 }], 0);
  listeners.results([{ a: 2 }], 1);
  assert.equal(all.take().rows.length, 2);
  assert.deepEqual(second.take().rows, ['{"a":2}']);
  listeners.end("the rule has stopped");
  await second.more();
  assert.deepEqual(second.take(), { rows: [], lost: 0, ended: "the rule has stopped" });
});

test("joined rows show as their parts; what JSON cannot say is text", () => {
  const listeners = new RowListeners();
  let hear: ((rows: readonly Row[]) => void) | undefined;
  const listener = listeners.toStep(["a", "b"], (heard) => {
    hear = heard;
    return () => hear = undefined;
  });
  const joined = new Row({}, 0);
  joined.parts = [new Row({ x: 1n }, 0), new Row({ y: [NaN] }, 0)];
  hear!([joined, new Row({ z: "plain" }, 0)]);
  assert.deepEqual(listener.take().rows, ['{"a":{"x":1},"b":{"y":["NaN"]}}', '{"z":"plain"}']);
  listener.close();
  assert.equal(hear, undefined);
});

test("a rule has eight listeners at most", () => {
  const listeners = new RowListeners();
  const all = Array.from({ length: 8 }, () => listeners.toResults());
  assert.throws(
    () => listeners.toResults(),
    (error) => error instanceof DiagnosticError && /8 listeners/.test(error.message),
  );
  all[0]!.close();
  all[0]!.close();
  listeners.toResults();
});
