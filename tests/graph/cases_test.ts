/**
 * Graph rules by golden cases: as they stand, cut before every payload by a snapshot that is restored, and as one batch.
 * @module
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Case, parseCases } from "../../src/rule_test/case_file.ts";
import { outcomeMatches } from "../../src/rule_test/diff.ts";
import { runCase } from "../../src/rule_test/run_case.ts";

const folder = fileURLToPath(new URL(".", import.meta.url));

/** A script has its global variables in its own engine: what it keeps there is no part of the state. */
function keepsGlobals(c: Case): boolean {
  return c.rule.kind === "json" && c.rule.json.includes("let n = 0");
}

for (const file of readdirSync(folder).filter((name) => name.endsWith(".case")).sort()) {
  for (const c of parseCases(readFileSync(`${folder}${file}`, "utf8"), `${folder}${file}`)) {
    test(`${file}:${c.line} ${c.name}`, async () => {
      const { outcome } = await runCase(c);
      if (!outcomeMatches(c.expected, outcome)) assert.deepEqual(outcome, c.expected);
      if (outcome.kind === "refused" || keepsGlobals(c)) return;
      const payloads = c.rows.filter(({ payload }) => payload !== undefined).length;
      for (let at = 0; at <= payloads; at++) {
        const cut = await runCase(c, { cutBefore: (payload) => payload === at });
        assert.deepEqual(cut.outcome, outcome, `cut before payload ${at}`);
      }
    });
  }
}
