import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConstants } from "./check_constants.ts";
import { functions, lookup } from "./registry.ts";

test("checkConstants() reports what a function refuses while it is compiled", () => {
  const problem = checkConstants(lookup("regexp_matches")!, [undefined, "("]);
  assert.equal(problem?.code, "E214");
  assert.match(problem.message, /missing \)/);
  assert.equal(checkConstants(lookup("date_calc")!, [undefined, "1 day"])?.code, "E214");
  assert.equal(checkConstants(lookup("now")!, [7n])?.code, "E214");
});

test("checkConstants() leaves literals of a wrong type to checkLiteral()", () => {
  assert.equal(checkConstants(lookup("now")!, [-1n]), undefined);
  assert.equal(checkConstants(lookup("format")!, [1n, "a"]), undefined);
});

test("checkConstants() has nothing against good literals, nor against none", () => {
  assert.equal(checkConstants(lookup("regexp_matches")!, [undefined, "a+"]), undefined);
  assert.equal(checkConstants(lookup("sum")!, []), undefined);
  for (const fn of functions) {
    // Functions with a literal they cannot do without are never called without it.
    if (!fn.params.some((param) => param.constant === true)) assert.equal(checkConstants(fn, []), undefined, fn.name);
  }
});
