/**
 * Everything that must hold before a change is done: `deno task ok [--no-tests]`.
 *
 * Checks run one after another and all of them run, so that one look shows all there is to mend. A check counts as one
 * test in the last line, `N passed, N failed`.
 * @module
 */
import process from "node:process";
import { ensureInstalled, type Outcome, runDeno } from "./engines.ts";
import { denoTestCounts, type TestCounts } from "./test_counts.ts";

interface Check {
  readonly name: string;
  /** Arguments of `deno`. */
  readonly args: readonly string[];
  /** Reads the tests a check ran from its output; absent for a check that passes or fails as a whole. */
  readonly counts?: (output: string) => TestCounts | undefined;
}

const script = (path: string, ...args: string[]) => ["run", "--allow-all", "--no-check", path, ...args];

const checks: readonly Check[] = [
  { name: "format", args: ["fmt", "--check"] },
  { name: "lint", args: ["lint"] },
  { name: "types", args: ["check"] },
  { name: "import arrows", args: script("scripts/check_imports.ts") },
  { name: "generated parser is fresh", args: script("scripts/build_grammar.ts", "--check") },
  { name: "generated reference is fresh", args: script("scripts/gen_docs.ts", "--check") },
];

// What `deno task test` runs; a task of its own process could not be killed when a test hangs.
const tests: Check = {
  name: "tests",
  args: ["test", "--allow-all", "--no-check", "--parallel"],
  counts: denoTestCounts,
};

async function ok(withTests: boolean): Promise<number> {
  await ensureInstalled();
  const lines: string[] = [];
  let passed = 0;
  let failed = 0;
  for (const check of withTests ? [...checks, tests] : checks) {
    console.log(`-- ${check.name}`);
    const begin = performance.now();
    const outcome = await runDeno(check.args, check.counts === undefined ? "collect" : "show");
    const seconds = ((performance.now() - begin) / 1_000).toFixed(1);
    if (outcome.code !== 0 && check.counts === undefined) console.error(outcome.output.trimEnd());
    const counts = countTests(check, outcome);
    passed += counts.passed;
    failed += counts.failed;
    lines.push(`${counts.failed === 0 ? "ok    " : "FAILED"} ${check.name} (${seconds} s)`);
  }
  console.log(`\n${lines.join("\n")}\n${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** A runner that ended badly has failed at least once, whatever it printed. */
function countTests(check: Check, outcome: Outcome): TestCounts {
  const counts = check.counts?.(outcome.output);
  if (outcome.code === 0) return counts ?? { passed: 1, failed: 0 };
  return { passed: counts?.passed ?? 0, failed: Math.max(1, counts?.failed ?? 0) };
}

if (import.meta.main) process.exit(await ok(!process.argv.includes("--no-tests")));
