/**
 * Mutated graphs: each is planned and takes rows, or gives a DiagnosticError, never another exception, and in a short time.
 *
 * The seed is fixed, so that a failure comes again. `WEIR_FUZZ_SEED` and `WEIR_FUZZ_RUNS` explore further.
 * @module
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { DiagnosticError } from "../../src/diagnostics/diagnostic.ts";
import { renderError } from "../../src/diagnostics/render.ts";
import { CaseCatalog } from "../../src/rule_test/case_catalog.ts";
import { parseCases } from "../../src/rule_test/case_file.ts";
import { explainPlan } from "../../src/runtime/explain.ts";
import { Query } from "../../src/runtime/query.ts";
import { readRule } from "../../src/runtime/rule_definition.ts";
import { builtInFunctions } from "../../src/sql/functions/built_in.ts";
import { defaultPlanOptions } from "../../src/sql/plan.ts";
import { SeededRandom } from "../../src/value/seeded_random.ts";
import { threadMs } from "../thread_time.ts";

const seed = Number(process.env.WEIR_FUZZ_SEED ?? 20_261_123);
const runs = Number(process.env.WEIR_FUZZ_RUNS ?? 3_000);
/** One graph may take this long; the slowest one is tried again, for another process may have had the processor. */
const delayMsMax = 100;

const catalog = new CaseCatalog([
  'CREATE STREAM l (id BIGINT, a BIGINT) WITH (TYPE="memory", TIMESTAMP="ts")',
  'CREATE STREAM r () WITH (TYPE="memory")',
  'CREATE STREAM s () WITH (TYPE="memory")',
  'CREATE TABLE t () WITH (TYPE="memory", KIND="lookup", KEY="id")',
]);

const folder = new URL("../graph/", import.meta.url);
const corpus = ["nodes.case", "refused.case"]
  .flatMap((file) => parseCases(readFileSync(new URL(file, folder), "utf8"), file))
  .flatMap(({ rule }) => rule.kind === "json" ? [rule.json] : []);

const odd: readonly unknown[] = [
  null,
  0,
  -1,
  1e300,
  "",
  "a",
  "src",
  "w",
  "__proto__",
  "constructor",
  "count(*)",
  "lag(a)",
  "row_number()",
  "unnest(a) AS u",
  "changed_cols('c_', true, a, b)",
  "dedup_trigger(a, b, c, 5)",
  "last_hit_count()",
  "a > (b",
  "* EXCEPT (a)",
  "s.*",
  "collect(*) AS c",
  true,
  [],
  [[]],
  {},
  ["out"],
  [["out"], ["out"]],
  "slidingwindow",
  "dd",
];

/** Every place of a JSON value that can be changed. */
function placesOf(value: unknown): { readonly owner: Record<string, unknown>; readonly key: string }[] {
  if (typeof value !== "object" || value === null) return [];
  const owner = value as Record<string, unknown>;
  return Object.keys(owner).flatMap((key) => [{ owner, key }, ...placesOf(owner[key])]);
}

function mutate(json: string, random: SeededRandom): string {
  const rule = JSON.parse(json) as Record<string, unknown>;
  for (let i = random.below(4); i >= 0; i--) {
    const places = placesOf(rule);
    if (places.length === 0) break;
    const { owner, key } = random.pick(places);
    const other = random.pick(places);
    switch (random.below(5)) {
      case 0:
        delete owner[key];
        break;
      case 1:
        owner[key] = structuredClone(random.pick(odd));
        break;
      case 2:
        // Data of another place, as a node whose type is that of another.
        owner[key] = structuredClone(other.owner[other.key]) ?? null;
        break;
      case 3:
        owner[other.key] = structuredClone(owner[key]) ?? null;
        break;
      default: {
        const text = owner[key];
        if (typeof text === "string") owner[key] = text.slice(random.below(text.length + 1)) + String(random.pick(odd));
      }
    }
  }
  return JSON.stringify(rule);
}

/** What came of a graph, or the diagnostics as text. */
function outcomeOf(json: string): string {
  try {
    const rule = readRule(json, { generateId: () => "r" });
    const options = { ...defaultPlanOptions, isEventTime: rule.options.isEventTime, start: 0, timezone: "UTC" };
    const failures: string[] = [];
    const output = { result: () => {}, failed: (error: Error) => void failures.push(error.message) };
    // Scripts are left to tests of their own: each would start in a thread.
    if (rule.graph?.nodes.some((node) => node.type === "operator" && node.operation.nodeType === "script")) {
      return "script";
    }
    const query = new Query(rule, catalog, builtInFunctions, options, output);
    explainPlan(query.plan, "");
    for (let i = 0; i < 6; i++) {
      for (const { position } of query.sources) {
        query.push([{ id: BigInt(i % 2), a: BigInt(i), b: i, ts: BigInt(i * 2000) }], i * 2000, undefined, position);
      }
    }
    query.end();
    assert.deepEqual(query.ledger().imbalances, [], json);
    for (const failure of failures) assert.doesNotMatch(failure, /Internal error/, json);
    return "planned";
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    assert.ok(error.diagnostics.length > 0);
    return renderError(error);
  }
}

test(`any JSON for a graph is planned or refused, seed ${seed}`, () => {
  const random = new SeededRandom(seed);
  const outcomes = { planned: 0, refused: 0 };
  let slowest = { ms: 0, json: "" };
  for (let i = 0; i < runs; i++) {
    const json = mutate(random.pick(corpus), random);
    const started = threadMs();
    let outcome: string;
    try {
      outcome = outcomeOf(json);
    } catch (error) {
      throw new Error(`run ${i}: ${json}`, { cause: error });
    }
    const ms = threadMs() - started;
    if (ms > slowest.ms) slowest = { ms, json };
    outcomes[outcome === "planned" || outcome === "script" ? "planned" : "refused"]++;
  }
  assert.ok(outcomes.planned > runs / 20 && outcomes.refused > runs / 20, JSON.stringify(outcomes));
  const started = threadMs();
  outcomeOf(slowest.json);
  assert.ok(threadMs() - started < delayMsMax, `${slowest.ms} ms: ${slowest.json}`);
});
