/**
 * Every golden case of this folder: as it is written, in batches, cut by checkpoints; through `weir query`, its rows in
 * files; live, as a rule of a running engine; and live with an agent that is killed after some rows.
 *
 * `weir test --update tests/cases` writes what came out into the files; read the difference before you commit it.
 * @module
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Case, parseCases } from "../../src/rule_test/case_file.ts";
import { linesDiff, linesMatch, outcomeDiff, outcomeMatches } from "../../src/rule_test/diff.ts";
import { type CaseRun, type Manner, runCase } from "../../src/rule_test/run_case.ts";
import { byEngine, whyNotByEngine, whyNotKilled } from "./by_engine.ts";
import { byQuery, whyNotByQuery } from "./by_query.ts";
import { observe, type Observed } from "./observed.ts";
import { SeededRandom } from "../../src/value/seeded_random.ts";

const folder = fileURLToPath(new URL("./", import.meta.url));

function assertLines(expected: readonly string[], found: readonly string[], how: string): void {
  if (!linesMatch(expected, found)) assert.fail(`${how}:\n${linesDiff(expected, found)}`);
}

/** In a batch the errors of later rows come before the results of earlier ones. */
function errorsFirst(lines: readonly string[]): string[] {
  const isError = (line: string) => /^(?:@\S+ )?! /.test(line);
  return [...lines.filter(isError), ...lines.filter((line) => !isError(line))];
}

function payloadsOf(c: Case): number {
  return c.rows.filter((row) => row.payload !== undefined).length;
}

/** One row after the other, with a checkpoint before every row, and before each single one. */
function cutsOf(c: Case): [string, Manner][] {
  const cuts = Array.from({ length: payloadsOf(c) + 1 }, (_, at): [string, Manner] => [
    `cut before row ${at + 1}`,
    { cutBefore: (payload) => payload === at },
  ]);
  return [["cut before every row", { cutBefore: () => true }], ...cuts];
}

/** Rows in batches: all of a moment, and at random with a cut somewhere, by a seed that the name shows. */
function batchesOf(c: Case): [string, Manner][] {
  const seed = c.line * 7919 + c.name.length;
  const random = new SeededRandom(seed);
  const at = random.below(payloadsOf(c) + 1);
  const ends = c.rows.map(() => random.below(5) < 2);
  return [
    ["in batches", { pushAfter: () => false }],
    [`batches of seed ${seed}, cut before row ${at + 1}`, {
      pushAfter: (payload) => ends[payload]!,
      cutBefore: (payload) => payload === at,
    }],
  ];
}

/** Runs the case in some manner: whatever comes out, every row of it is accounted for. */
async function runBalanced(c: Case, manner?: Manner, how = "as it is written"): Promise<CaseRun> {
  const run = await runCase(c, manner);
  assert.deepEqual(run.imbalances, [], `the ledger, ${how}`);
  return run;
}

async function check(c: Case): Promise<void> {
  const plain = await runBalanced(c);
  const { outcome } = plain;
  if (!outcomeMatches(c.expected, outcome)) assert.fail(outcomeDiff(c, plain));
  if (outcome.kind === "refused") return;
  for (const [how, manner] of cutsOf(c)) {
    assertLines(outcome.lines, (await runBalanced(c, manner, how)).outcome.lines, how);
  }
  for (const [how, manner] of batchesOf(c)) {
    const { lines } = (await runBalanced(c, manner, how)).outcome;
    assertLines(errorsFirst(outcome.lines), errorsFirst(lines), how);
  }
}

/** Another way must see the same. */
function assertSame(expected: Observed, found: Observed): void {
  assertLines(expected.refused, found.refused, "refused");
  assertLines(expected.results, found.results, "results");
  assertLines(expected.errors, found.errors, "errors");
  assertLines(expected.dropped, found.dropped, "dropped rows");
}

for (const file of readdirSync(folder).filter((name) => name.endsWith(".case")).sort()) {
  for (const c of parseCases(readFileSync(`${folder}${file}`, "utf8"), `${folder}${file}`)) {
    const name = `${file}:${c.line} ${c.name}`;
    test(name, () => check(c));
    const notByQuery = whyNotByQuery(c);
    test(`weir query: ${notByQuery === undefined ? name : `${name} (not run: ${notByQuery})`}`, {
      skip: notByQuery !== undefined,
    }, async () => assertSame(observe(await runCase(c), "rows"), await byQuery(c)));
    const notByEngine = whyNotByEngine(c);
    test(`live: ${notByEngine === undefined ? name : `${name} (not run: ${notByEngine})`}`, {
      skip: notByEngine !== undefined,
    }, async () => assertSame(observe(await runCase(c), "lists"), await byEngine(c)));
    const notKilled = whyNotKilled(c);
    const random = new SeededRandom(c.line);
    test(`killed: ${notKilled === undefined ? name : `${name} (not run: ${notKilled})`}`, {
      skip: notKilled !== undefined,
    }, async () => assertSame(observe(await runCase(c), "lists"), await byEngine(c, () => random.below(2) === 0)));
  }
}
