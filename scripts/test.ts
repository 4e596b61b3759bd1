/**
 * Runs the tests under Deno: `deno task test [ARGUMENT…]`, arguments as for `deno test`.
 *
 * Tests against a real broker need mosquitto and openssl. On a machine without them, which a fresh one is, their files
 * are left out and named, so that what ran is what was promised; with `CI` set, as it is where everything must run, that
 * is a failure.
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { delimiter, dirname, join, normalize } from "node:path";
import process from "node:process";
import { findMosquitto } from "../tests/mosquitto.ts";
import { findImports, withoutComments } from "./check_imports.ts";
import { ensureInstalled, runDeno } from "./engines.ts";
import { root, sourceFiles } from "./source_files.ts";

/** What brings a real broker into a test. */
const brokerModule = "tests/mosquitto.ts";

/** The programs that tests with a broker need and this machine lacks. */
export function missingPrograms(searchPath: string = process.env.PATH ?? ""): string[] {
  const missing: string[] = [];
  try {
    findMosquitto(searchPath);
  } catch {
    missing.push("mosquitto");
  }
  for (const program of ["mosquitto_pub", "mosquitto_sub", "mosquitto_passwd", "openssl"]) {
    if (!searchPath.split(delimiter).some((folder) => existsSync(join(folder, program)))) missing.push(program);
  }
  return missing;
}

/** The test files that import the broker, themselves or through others. Paths are relative to the repository. */
export function brokerTests(files: readonly string[] = sourceFiles("_test.ts")): string[] {
  const known = new Map<string, boolean>([[brokerModule, true]]);
  const needsBroker = (path: string): boolean => {
    const answer = known.get(path);
    if (answer !== undefined) return answer;
    // A circle of imports must end; the answer is corrected below.
    known.set(path, false);
    const file = join(root, path);
    const imports = existsSync(file) ? findImports(withoutComments(readFileSync(file, "utf8"))) : [];
    const result = imports.some(({ specifier }) =>
      specifier.startsWith(".") && needsBroker(normalize(join(dirname(path), specifier)))
    );
    known.set(path, result);
    return result;
  };
  return files.filter(needsBroker);
}

async function main(args: readonly string[]): Promise<number> {
  await ensureInstalled();
  const missing = missingPrograms();
  const command = ["test", "--allow-all", "--no-check", "--parallel"];
  if (missing.length === 0) return (await runDeno([...command, ...args])).code;
  const install = "apt-get install mosquitto mosquitto-clients openssl";
  if (process.env.CI !== undefined) {
    console.error(`Cannot run all tests: ${missing.join(", ")} not found: ${install}`);
    return 1;
  }
  const left = brokerTests();
  const { code } = await runDeno([...command, `--ignore=${left.join(",")}`, ...args]);
  console.log(
    `NOT RUN, for want of ${missing.join(", ")} (${install}):\n${left.map((path) => `  ${path}\n`).join("")}`,
  );
  return code;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
