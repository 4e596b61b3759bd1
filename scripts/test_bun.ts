/**
 * Runs every `*_test.ts` of the repository under Bun: `deno task test:bun [FILTER…] [--without=FILTER…]`, where a filter
 * is a part of a path. The files are named one by one, as Bun's own search would go through `node_modules` too.
 * @module
 */
import process from "node:process";
import { ensureInstalled, findBun, type Outcome, run } from "./engines.ts";
import { sourceFiles } from "./source_files.ts";
import { leftOut, tellLeftOut } from "./test.ts";

/** A test may wait for a broker or a busy machine; Bun's own limit is 5 seconds. */
const TEST_TIMEOUT_MS = 60_000;

const without = "--without=";

export async function testBun(args: readonly string[] = []): Promise<Outcome> {
  await ensureInstalled();
  const filters = args.filter((arg) => !arg.startsWith(without));
  const unwanted = args.filter((arg) => arg.startsWith(without)).map((arg) => arg.slice(without.length));
  const left = leftOut();
  const cannot = new Set(left.flatMap(({ files }) => files));
  const files = sourceFiles("_test.ts")
    .filter((path) => !cannot.has(path))
    .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
    .filter((path) => !unwanted.some((filter) => path.includes(filter)));
  if (files.length === 0) return { code: 1, output: `Cannot find tests matching "${filters.join(" ")}"\n` };
  const outcome = await run(findBun(), ["test", `--timeout=${TEST_TIMEOUT_MS}`, ...files.map((path) => `./${path}`)]);
  tellLeftOut(left);
  return outcome;
}

if (import.meta.main) process.exit((await testBun(process.argv.slice(2))).code);
