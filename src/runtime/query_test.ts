import { test } from "node:test";
import assert from "node:assert/strict";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import type { Struct } from "../value/value.ts";
import { Query, type QueryOptions } from "./query.ts";
import { builtIns, catalog } from "./statement_fixture.ts";
import { threadMs } from "../../tests/thread_time.ts";

function setUp(sql: string, options: Partial<QueryOptions> = {}) {
  const out: [number, readonly Struct[]][] = [];
  const query: Query = new Query(sql, catalog, builtIns, { start: 1000, timezone: "UTC", ...options }, {
    result: (rows) => void out.push([query.now, rows]),
    failed: (error) => assert.fail(String(error)),
  });
  return { query, out };
}

test("Query gives each row of a single-row statement as a result of its own", () => {
  const { query, out } = setUp("SELECT a FROM demo");
  query.push([{ a: 1 }, { a: 2 }]);
  assert.deepEqual(out, [[1000, [{ a: 1 }]], [1000, [{ a: 2 }]]]);
});

test("Query lets the clock run to every window's end on its way", () => {
  const { query, out } = setUp("SELECT count(*) AS n FROM demo GROUP BY TUMBLINGWINDOW(ss, 10)");
  query.push([{}], 3000);
  query.push([{}], 25_000);
  query.end();
  assert.deepEqual(out, [[10_000, [{ n: 1n }]], [20_000, [{}]], [25_000, [{ n: 1n }]]]);
});

test("Query never goes back in time", () => {
  const { query, out } = setUp("SELECT tstamp() AS t FROM demo");
  query.push([{}], 5000);
  query.push([{}], 2000);
  assert.equal(query.now, 5000);
  assert.deepEqual(out, [[5000, [{ t: 5000n }]], [5000, [{ t: 5000n }]]]);
});

test("Query counts what was dropped", () => {
  const { query } = setUp("SELECT ts FROM timed", { isEventTime: true, lateTolerance: 0 });
  query.push([{ ts: 5 }, { ts: 4 }, { ts: 3 }]);
  assert.deepEqual([...query.dropped()], [["late", 2]]);
});

test("Query refuses a wrong statement with its text", () => {
  assert.throws(
    () => setUp("SELECT c FROM typed"),
    (error) => error instanceof DiagnosticError && error.text === "SELECT c FROM typed",
  );
});

test("Query advances over a year of empty windows in a moment", () => {
  const { query, out } = setUp("SELECT k FROM demo GROUP BY k, TUMBLINGWINDOW(ss, 1)");
  const begin = threadMs();
  query.push([{ k: 1 }], 365 * 86_400_000);
  query.end();
  assert.equal(out.length, 1);
  assert.ok(threadMs() - begin < 20_000);
});

test("Query passes over a year of empty windows of a millisecond", () => {
  const { query, out } = setUp("SELECT k, window_end() AS e FROM demo GROUP BY k, TUMBLINGWINDOW(ms, 1)");
  query.push([{ k: 1 }], 1000);
  query.push([{ k: 2 }], 365 * 86_400_000);
  query.end();
  assert.deepEqual(out.map(([, rows]) => rows), [[{ k: 1, e: 1001n }], [{ k: 2, e: 31_536_000_001n }]]);
});
