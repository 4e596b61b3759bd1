import assert from "node:assert/strict";
import { test } from "node:test";
import type { Value } from "../../value/value.ts";
import { compileJsonPath } from "./json_path.ts";

const document: Value = {
  a: [10, 20, 30, 40],
  b: { "a-b": 1, c: { k: "x" } },
  list: [{ k: "p", n: 5n }, { k: "q", n: 15, t: [1] }, { n: 25 }],
  limit: 10,
};

const cases: readonly [path: string, found: Value[]][] = [
  ["$", [document]],
  ["$.a[1]", [20]],
  ["$.a[-1]", [40]],
  ["$.a[9]", []],
  ["$.missing.deeper", []],
  ['$["b"]["a-b"]', [1]],
  ["$['b'].c.k", ["x"]],
  ["$.a[0,2]", [10, 30]],
  ["$.b['a-b','zz']", [1]],
  ["$.a[1:3]", [20, 30]],
  ["$.a[:2]", [10, 20]],
  ["$.a[-2:]", [30, 40]],
  ["$.a[::2]", [10, 30]],
  ["$.a[::-1]", [40, 30, 20, 10]],
  ["$.a[3:0:-2]", [40, 20]],
  ["$.a[*]", [10, 20, 30, 40]],
  ["$.b.*", [1, { k: "x" }]],
  ["$..k", ["x", "p", "q"]],
  ["$.list..[0]", [{ k: "p", n: 5n }, 1]],
  ["$.list[*].k", ["p", "q"]],
  ["$.list[? @.n > 10].n", [15, 25]],
  ["$.list[? (@.n >= 5 && @.k == 'p')].n", [5n]],
  ["$.list[? @.n < 10 || @.k == 'q'].n", [5n, 15]],
  ["$.list[? !(@.n == 15)].n", [5n, 25]],
  ["$.list[? @.n + 5 == 2 * $.limit].n", [15]],
  ["$.list[? @.n - 5 > $.limit / 2 + 5].n", [25]],
  ["$.list[? @.t].n", [15]],
  ["$.list[? @.k != 'p'].n", [15]],
  ["$.a[? @ > 25]", [30, 40]],
];

for (const [path, found] of cases) {
  test(`${path} finds ${found.length}`, () => assert.deepEqual(compileJsonPath(path).select(document), found));
}

for (
  const path of ["", "a", "$.", "$[", "$[]", "$.a[0", "$.a[::0]", "$ x", "$.a[?@.b]", "$[? @.a ==]", "$[? 1 < 2 < 3]"]
) {
  test(`${JSON.stringify(path)} is no path`, () => assert.throws(() => compileJsonPath(path), /bad JSON path/));
}

test("only paths of keys and single indexes lead to a single value", () => {
  for (const path of ["$", "$.a", "$.a[0]['b']"]) assert.ok(compileJsonPath(path).single, path);
  for (const path of ["$.*", "$..a", "$[0,1]", "$[0:1]", "$[? @.a]"]) assert.ok(!compileJsonPath(path).single, path);
});

test("a path that finds the same values over and over is refused", () => {
  let nested: Value = 1;
  for (let i = 0; i < 40; i++) nested = [nested];
  assert.throws(() => compileJsonPath("$" + "..*".repeat(12)).select(nested), { code: "E506" });
});
