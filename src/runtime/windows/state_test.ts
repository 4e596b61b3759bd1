import { test } from "node:test";
import assert from "node:assert/strict";
import type { RowError } from "../../diagnostics/row_error.ts";
import type { WindowSpec } from "../../sql/analyze/windows.ts";
import { NodeMetrics } from "../../telemetry/node_metrics.ts";
import { Row } from "../../value/row.ts";
import type { Struct } from "../../value/value.ts";
import type { OperatorContext } from "../operator.ts";
import { decodeState, encodeState } from "../state_codec.ts";
import { planOf } from "../statement_fixture.ts";
import { RowContent } from "./content.ts";
import { StateWindow } from "./state.ts";

function specOf(window: string): WindowSpec {
  let node = planOf(`SELECT * FROM demo GROUP BY ${window}`).root;
  while (node.kind !== "window") {
    assert.ok("input" in node);
    node = node.input;
  }
  return node.spec;
}

function setUp(text: string) {
  const lists: [start: number, end: number, rows: number[]][] = [];
  const errors: string[] = [];
  const context: OperatorContext = {
    rule: { ruleId: "r", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0 },
    changingSlots: [],
    metrics: new NodeMetrics(),
    fail: (error) => void errors.push((error as RowError).code),
    drop: () => assert.fail("nothing is dropped"),
  };
  const window = new StateWindow(specOf(text), () => new RowContent(context), context, {
    push({ rows, window }) {
      assert.equal(window?.trigger, window?.end);
      lists.push([window!.start!, window!.end!, rows.map((row) => row.time)]);
    },
    advance() {},
  });
  let time = 0;
  const push = (...rows: Struct[]) => {
    window.push({ rows: rows.map((row) => new Row(row, ++time)), window: undefined });
    return lists.splice(0);
  };
  const values = (...all: unknown[]) => push(...all.map((v) => ({ v }) as Struct));
  return { window, errors, push, values };
}

test("StateWindow with two conditions is open from begin to emit, both rows inside", () => {
  const { window, values } = setUp("STATEWINDOW(v > 10, v < 3)");
  assert.deepEqual(values(4, 12, 8), []);
  assert.equal(window.held(), 2);
  assert.deepEqual(values(2, 1, 15), [[2, 4, [2, 3, 4]]]);
  assert.equal(window.held(), 1);
});

test("StateWindow does not look at emit on the row that begins", () => {
  const { values } = setUp("STATEWINDOW(v > 10, v > 10)");
  assert.deepEqual(values(12, 5, 13, 6), [[1, 3, [1, 2, 3]]]);
});

test("StateWindow with one condition hands on the rows before each row that meets it", () => {
  const { window, values } = setUp("STATEWINDOW(v > 10)");
  assert.deepEqual(values(4, 12, 8, 11, 3, 20), [[2, 4, [2, 3]], [4, 6, [4, 5]]]);
  assert.equal(window.held(), 1);
});

test("StateWindow takes a failing or other condition as false, without an error", () => {
  const { values, errors } = setUp("STATEWINDOW(10 / v > 1, CASE WHEN v = 9 THEN v ELSE 10 / v > 4 END)");
  assert.deepEqual(values(0, null, 5, 0, "x", 9, null, 2), [[3, 8, [3, 4, 5, 6, 7, 8]]]);
  assert.deepEqual(errors, []);
});

test("StateWindow keeps partitions apart", () => {
  const { window, push } = setUp("STATEWINDOW(v = 1, v = 2) OVER (PARTITION BY k, j)");
  const lists = push(
    { k: "a", v: 1 },
    { k: "b", v: 1 },
    { k: "a", v: 5 },
    { k: "c", v: 2 },
    { k: "b", v: 2 },
    { k: "a", j: 1, v: 2 },
    { k: "a", v: 2 },
  );
  assert.deepEqual(lists, [[2, 5, [2, 5]], [1, 7, [1, 3, 7]]]);
  assert.equal(window.held(), 0);
});

test("StateWindow fails a row whose partition cannot be told, and goes on without it", () => {
  const { push, errors } = setUp("STATEWINDOW(v = 1, v = 2) OVER (PARTITION BY 1 / k)");
  assert.deepEqual(push({ k: 1, v: 1 }, { k: 0, v: 2 }, { k: 1, v: 2 }), [[1, 3, [1, 3]]]);
  assert.deepEqual(errors, ["E503"]);
});

test("StateWindow forgets the rows of a state that still lasts at the end", () => {
  const { window, values } = setUp("STATEWINDOW(v > 10)");
  values(12, 8);
  window.end();
  assert.equal(window.held(), 0);
  assert.deepEqual(values(13), []);
});

test("StateWindow goes on where a snapshot was taken, after any row", () => {
  const rows = [[4, 1], [12, 2], [11, 1], [2, 1], [8, 2], [1, 1], [15, 1], [2, 2], [0, 1]].map(([v, k]) => ({ v, k }));
  for (const conditions of ["v > 10, v < 3", "v > 10"]) {
    const text = `STATEWINDOW(${conditions}) OVER (PARTITION BY k)`;
    const whole = setUp(text);
    const expected = rows.flatMap((row) => whole.push(row));
    for (let cut = 0; cut <= rows.length; cut++) {
      const before = setUp(text);
      const lists = before.push(...rows.slice(0, cut));
      const after = setUp(text);
      after.window.restore(decodeState(encodeState(before.window.snapshot())));
      assert.equal(after.window.held(), before.window.held());
      const rest = after.push(...Array.from({ length: cut }, () => ({ k: "other" })), ...rows.slice(cut));
      assert.deepEqual([...lists, ...rest], expected, `${text} at ${cut}`);
    }
  }
});
