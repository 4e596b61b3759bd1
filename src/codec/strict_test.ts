import assert from "node:assert/strict";
import { test } from "node:test";
import { RowError } from "../diagnostics/row_error.ts";
import { DateTime } from "../value/datetime.ts";
import type { Value } from "../value/value.ts";
import type { ColumnType } from "./codec.ts";
import { createStrictValidator } from "./strict.ts";

const options = {
  parseDateTime: (text: string) => Number.isNaN(Date.parse(text)) ? undefined : new DateTime(Date.parse(text), "UTC"),
};
const list: ColumnType = { kind: "array", element: { kind: "bigint" } };
const pair: ColumnType = { kind: "struct", columns: [{ name: "a", type: { kind: "float" } }] };

test("createStrictValidator() converts within the kind", () => {
  const cases: [ColumnType, Value, Value][] = [
    [{ kind: "bigint" }, -2.9, -2n],
    [{ kind: "bigint" }, 7n, 7n],
    [{ kind: "float" }, 7n, 7],
    [{ kind: "string" }, new Uint8Array([104, 105]), "hi"],
    [{ kind: "boolean" }, true, true],
    [{ kind: "datetime" }, 5, new DateTime(5)],
    [{ kind: "datetime" }, "1970-01-01T00:00:01Z", new DateTime(1000, "UTC")],
    [{ kind: "bytea" }, "aGk=", new Uint8Array([104, 105])],
    [{ kind: "bytea" }, "a b", new Uint8Array([97, 32, 98])],
    [list, [1.5, null], [1n, null]],
    [list, null, null],
    [pair, { a: 1n, b: 2 }, { a: 1 }],
    [pair, '{"a": 2}', { a: 2 }],
    [pair, { a: null }, { a: null }],
    [pair, null, null],
  ];
  for (const [type, value, expected] of cases) {
    assert.deepEqual(createStrictValidator([{ name: "x", type }], options)({ x: value, other: 1 }), { x: expected });
  }
});

test("createStrictValidator() refuses values of another kind", () => {
  const cases: [ColumnType, Value, RegExp][] = [
    [{ kind: "bigint" }, "1", /"x" is declared bigint, found the text "1"/],
    [{ kind: "bigint" }, NaN, /outside 64 bits/],
    [{ kind: "bigint" }, 1e19, /outside 64 bits/],
    [{ kind: "bigint" }, null, /found null/],
    [{ kind: "float" }, true, /found boolean/],
    [{ kind: "string" }, 1, /found float/],
    [{ kind: "boolean" }, 1, /found float/],
    [{ kind: "datetime" }, "soon", /found the text "soon"/],
    [{ kind: "bytea" }, 1n, /found int/],
    [list, {}, /found struct/],
    [list, [1, "a"], /"x\[1\]" is declared bigint/],
    [pair, { a: "b" }, /"x.a" is declared float/],
    [pair, "[", /is declared struct/],
  ];
  for (const [type, value, message] of cases) {
    const validate = createStrictValidator([{ name: "x", type }], options);
    assert.throws(
      () => validate({ x: value }),
      (e) => e instanceof RowError && e.code === "E509" && message.test(e.message),
    );
  }
});

test("createStrictValidator() takes the default of an absent column", () => {
  const validate = createStrictValidator([{ name: "constructor", type: { kind: "bigint" }, default: 3n }, {
    name: "b",
    type: { kind: "float" },
  }], options);
  assert.deepEqual(validate({ b: 1 }), { constructor: 3n, b: 1 });
  assert.throws(() => validate({ constructor: 1n }), /field b is not found/);
});
