/**
 * Every golden case of this folder, run as it is written, in batches, and cut at every row by a checkpoint.
 *
 * `WEIR_UPDATE=1` writes what came out into the files instead; read the difference before you commit it.
 * @module
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { type Case, parseCases, withOutcomes } from "../../src/rule_test/case_file.ts";
import { linesMatch, type Manner, runCase } from "../../src/rule_test/run_case.ts";

const folder = new URL("./", import.meta.url);
const updates = process.env.WEIR_UPDATE === "1";

/** Lines that match stand as they are written, so that the difference shows only what is wrong. */
function assertLines(expected: readonly string[], actual: readonly string[], how: string): void {
  if (linesMatch(expected, actual)) return;
  const shown = actual.map((line, i) => (linesMatch(expected.slice(i, i + 1), [line]) ? expected[i] : line));
  assert.deepEqual(shown, expected, how);
}

function mannersOf(c: Case): [string, Manner][] {
  const payloads = c.rows.filter((row) => row.payload !== undefined).length;
  const cuts = Array.from({ length: payloads + 1 }, (_, at): [string, Manner] => [
    `cut before row ${at + 1}`,
    { cutBefore: (payload) => payload === at },
  ]);
  return [["in batches", { batched: true }], ["cut before every row", { cutBefore: () => true }], ...cuts];
}

/** In a batch the errors of later rows come before the results of earlier ones. */
function errorsFirst(lines: readonly string[]): string[] {
  const isError = (line: string) => /^(?:@\S+ )?! /.test(line);
  return [...lines.filter(isError), ...lines.filter((line) => !isError(line))];
}

function check(c: Case): void {
  const plain = runCase(c);
  assertLines(c.expected, plain, "the rows one by one");
  if (c.outcome === "refused") return;
  for (const [how, manner] of mannersOf(c)) {
    const actual = runCase(c, manner);
    if (manner.batched === true) assertLines(errorsFirst(plain), errorsFirst(actual), how);
    else assertLines(plain, actual, how);
  }
}

for (const file of readdirSync(folder).filter((name) => name.endsWith(".case")).sort()) {
  const path = new URL(file, folder);
  const text = readFileSync(path, "utf8");
  const cases = parseCases(text);
  if (updates) {
    const changes = new Map<Case, string[]>();
    for (const c of cases) {
      const actual = runCase(c);
      if (!linesMatch(c.expected, actual)) changes.set(c, actual);
    }
    writeFileSync(path, withOutcomes(text, changes));
  }
  for (const c of updates ? parseCases(readFileSync(path, "utf8")) : cases) {
    test(`${file}:${c.line} ${c.name}`, () => check(c));
  }
}
