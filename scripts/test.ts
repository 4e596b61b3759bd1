/**
 * Runs the tests under Deno: `deno task test [ARGUMENT…]`, arguments as for `deno test`.
 *
 * Many tests need programs that others have written: a broker, a database. On a machine without them, which a fresh one
 * is, their files are left out and named, so that what ran is what was promised; with `CI` set, as it is where everything
 * must run, that is a failure, but for programs that come from another place than the distribution.
 * @module
 */
import process from "node:process";
import { ensureInstalled, runDeno } from "./engines.ts";
import { missingOf, type Peer, peers, testsWith } from "./peers.ts";

/** Files that cannot run here, with what they need. */
export interface LeftOut {
  readonly files: readonly string[];
  readonly missing: readonly string[];
  readonly packages: readonly string[];
  readonly pip: readonly string[];
}

/** What has to be left out on this machine. */
export function leftOut(all: readonly Peer[] = peers): LeftOut[] {
  return all.map(({ pip = [], ...peer }) => ({
    files: testsWith(peer.module),
    missing: missingOf({ ...peer, pip }),
    packages: peer.packages,
    pip,
  }))
    .filter(({ files, missing }) => files.length > 0 && missing.length > 0);
}

/** How to get what is missing. */
function remedy({ packages, pip }: LeftOut): string {
  const commands = [`apt-get install ${packages.join(" ")}`];
  if (pip.length > 0) commands.push(`python3 -m venv .peers`, `.peers/bin/pip install ${pip.join(" ")}`);
  return commands.join(" && ");
}

async function main(args: readonly string[]): Promise<number> {
  await ensureInstalled();
  const left = leftOut();
  const command = ["test", "--allow-all", "--no-check", "--parallel"];
  if (left.length === 0) return (await runDeno([...command, ...args])).code;
  if (process.env.CI !== undefined && left.some(({ pip }) => pip.length === 0)) {
    for (const each of left) {
      console.error(`Cannot run all tests: ${each.missing.join(", ")} not found: ${remedy(each)}`);
    }
    return 1;
  }
  // Of two options of the name the last one would count.
  const ignored = args.filter((arg) => arg.startsWith("--ignore=")).map((arg) => arg.slice("--ignore=".length));
  const files = new Set([...ignored, ...left.flatMap(({ files }) => files)]);
  const rest = args.filter((arg) => !arg.startsWith("--ignore="));
  const { code } = await runDeno([...command, `--ignore=${[...files].join(",")}`, ...rest]);
  tellLeftOut(left);
  return code;
}

/** Names the files that did not run, and what they want. */
export function tellLeftOut(left: readonly LeftOut[]): void {
  for (const each of left) {
    console.log(
      `NOT RUN, for want of ${each.missing.join(", ")} (${remedy(each)}):\n` +
        each.files.map((path) => `  ${path}\n`).join(""),
    );
  }
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
