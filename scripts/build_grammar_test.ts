import { test } from "node:test";
import assert from "node:assert/strict";
import { isFresh } from "./build_grammar.ts";

test("the committed parser is the one that grammar/sql.peggy gives", () => {
  assert.ok(isFresh(), "run scripts/build_grammar.ts");
});
