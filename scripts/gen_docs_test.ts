import assert from "node:assert/strict";
import { test } from "node:test";
import { functions } from "../src/sql/functions/registry.ts";
import { functionsPage, isFresh } from "./gen_docs.ts";

test("the committed function reference is fresh", () => {
  assert.ok(isFresh(), "run scripts/gen_docs.ts");
});

test("every function has a section with its signature and examples", () => {
  const page = functionsPage();
  for (const fn of functions) {
    assert.ok(page.includes(`\n### ${fn.name}\n\n\`${fn.name}(`), fn.name);
    for (const example of fn.examples) assert.ok(page.includes(example.sql.replaceAll("|", "\\|")), example.sql);
  }
});
