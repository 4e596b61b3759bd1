/**
 * Runs every `*_test.ts` of the repository under Bun: `deno task test:bun [FILTER…] [--without=FILTER…] [--jobs=N]`,
 * where a filter is a part of a path. The files are named one by one, as Bun's own search would go through `node_modules`
 * too. Bun runs one file after the other; with `--jobs`, so many of it share them, and a last summary has the sums.
 * @module
 */
import process from "node:process";
import { ensureInstalled, findBun, type Outcome, run } from "./engines.ts";
import { sourceFiles } from "./source_files.ts";
import { leftOut, tellLeftOut } from "./test.ts";

/** A test may wait for a broker or a busy machine; Bun's own limit is 5 seconds. */
const TEST_TIMEOUT_MS = 60_000;

const without = "--without=";
const jobsFlag = "--jobs=";

/** The sums of the last ` 12 pass`, ` 0 fail` and ` 1 error` of each. */
function summaryOf(outputs: readonly string[]): string {
  const sum = (word: string) =>
    outputs.reduce((total, output) => {
      const counts = [...output.matchAll(new RegExp(`^ *(\\d+) ${word}$`, "gm"))];
      return total + Number(counts.at(-1)?.[1] ?? 0);
    }, 0);
  return `\n ${sum("pass")} pass\n ${sum("skip")} skip\n ${sum("fail")} fail\n ${sum("errors?")} errors\n`;
}

function refused(code: number, reason: string): Outcome {
  process.stderr.write(`${reason}\n`);
  return { code, output: `${reason}\n` };
}

export async function testBun(args: readonly string[] = []): Promise<Outcome> {
  await ensureInstalled();
  const filters = args.filter((arg) => !arg.startsWith(without) && !arg.startsWith(jobsFlag));
  const jobs = Number(args.find((arg) => arg.startsWith(jobsFlag))?.slice(jobsFlag.length) ?? 1);
  if (!(Number.isInteger(jobs) && jobs > 0)) return refused(2, "--jobs wants a whole number from 1 on");
  const unwanted = args.filter((arg) => arg.startsWith(without)).map((arg) => arg.slice(without.length));
  const left = leftOut();
  const cannot = new Set(left.flatMap(({ files }) => files));
  const files = sourceFiles("_test.ts")
    .filter((path) => !cannot.has(path))
    .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
    .filter((path) => !unwanted.some((filter) => path.includes(filter)));
  if (files.length === 0) return refused(1, `Cannot find tests matching "${filters.join(" ")}"`);
  const groups = Array.from({ length: jobs }, (_, job) => files.filter((_, index) => index % jobs === job))
    .filter((group) => group.length > 0);
  const outcomes = await Promise.all(groups.map((group) => {
    return run(findBun(), ["test", `--timeout=${TEST_TIMEOUT_MS}`, ...group.map((path) => `./${path}`)]);
  }));
  tellLeftOut(left);
  const outputs = outcomes.map(({ output }) => output);
  const summary = groups.length > 1 ? summaryOf(outputs) : "";
  process.stdout.write(summary);
  return { code: Math.max(...outcomes.map(({ code }) => code)), output: outputs.join("") + summary };
}

if (import.meta.main) process.exit((await testBun(process.argv.slice(2))).code);
