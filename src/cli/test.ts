/**
 * `weir test`: runs the cases of `*.case` files, each a rule with rows in and rows out, on a virtual clock.
 * @module
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Case, CaseFileError, type Outcome, parseCases, withOutcomes } from "../rule_test/case_file.ts";
import { outcomeDiff, outcomeMatches, updatedOutcome } from "../rule_test/diff.ts";
import { type CaseReport, type FileReport, junitXml } from "../rule_test/junit.ts";
import { runCase } from "../rule_test/run_case.ts";
import { type Arguments, type CliContext, CliError, type Command, UsageError } from "./command.ts";

/** The files of a path: itself, or all `*.case` files in a folder and below, in order of their names. */
function caseFiles(path: string): string[] {
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (error) {
    throw new CliError(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  if (!isFolder) return [path];
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith(".case"));
  return files.map((entry) => join(entry.parentPath, entry.name)).sort();
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new CliError(`cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
}

interface Wanted {
  readonly filter: string;
  readonly update: boolean;
}

class FileRun {
  readonly #file: string;
  readonly #text: string;
  readonly #changes = new Map<Case, Outcome>();

  constructor(file: string) {
    this.#file = file;
    this.#text = read(file);
  }

  /** How many cases were written anew. */
  get updated(): number {
    return this.#changes.size;
  }

  async run({ filter, update }: Wanted): Promise<FileReport> {
    let cases: Case[];
    try {
      cases = parseCases(this.#text, this.#file);
    } catch (error) {
      if (!(error instanceof CaseFileError)) throw error;
      return { file: this.#file, error: error.message, cases: [] };
    }
    const wanted = cases.filter((c) => labelOf(c).toLowerCase().includes(filter.toLowerCase()));
    const reports: CaseReport[] = [];
    for (const c of wanted) reports.push(await this.#runOne(c, update));
    if (this.#changes.size > 0) writeFileSync(this.#file, withOutcomes(this.#text, this.#changes));
    return { file: this.#file, error: undefined, cases: reports };
  }

  async #runOne(c: Case, update: boolean): Promise<CaseReport> {
    const started = performance.now();
    let failure: string | undefined;
    try {
      const caseRun = await runCase(c);
      const { outcome } = caseRun;
      if (!outcomeMatches(c.expected, outcome)) {
        if (update) this.#changes.set(c, updatedOutcome(c.expected, outcome));
        else failure = outcomeDiff(c, caseRun);
      }
    } catch (error) {
      // Even a bug of ours must not keep the other cases from being run.
      failure = error instanceof CaseFileError ? error.message : `a bug: ${(error as Error).stack ?? String(error)}`;
    }
    return { name: c.name, line: c.line, seconds: (performance.now() - started) / 1000, failure };
  }
}

function labelOf({ file, line, name }: Case): string {
  return `${file}:${line} ${name}`;
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

function indented(text: string): string {
  return text.split("\n").map((line) => `  ${line}\n`).join("");
}

async function run(args: Arguments, context: CliContext): Promise<number> {
  if (args.positionals.length === 0) throw new UsageError("nothing to test: give files or folders of .case files");
  const files = [...new Set(args.positionals.flatMap(caseFiles))];
  const where = args.positionals.join(", ");
  if (files.length === 0) throw new CliError(`no .case files in ${where}`);
  const filter = args.text("filter") ?? "";
  const reports: FileReport[] = [];
  for (const file of files) {
    const fileRun = new FileRun(file);
    const report = await fileRun.run({ filter, update: args.flag("update") });
    reports.push(report);
    if (fileRun.updated > 0) context.stdout(`${file}: ${count(fileRun.updated, "case")} updated\n`);
    if (report.error !== undefined) context.stdout(`FAILED ${report.error}\n`);
    for (const { name, line, failure } of report.cases) {
      if (failure !== undefined) context.stdout(`FAILED ${file}:${line} ${name}\n${indented(failure)}`);
    }
  }
  const cases = reports.flatMap((report) => report.cases);
  const broken = reports.filter(({ error }) => error !== undefined).length;
  if (cases.length === 0 && broken === 0) {
    throw new CliError(filter === "" ? `no cases in ${where}` : `no case in ${where} has ${JSON.stringify(filter)}`);
  }
  writeJunit(args.text("junit"), reports);
  const failed = cases.filter(({ failure }) => failure !== undefined).length;
  const parts = [count(cases.length, "case"), `${failed} failed`];
  if (broken > 0) parts.push(`${count(broken, "file")} not readable`);
  context.stdout(`${parts.join(", ")}\n`);
  return failed + broken === 0 ? 0 : 1;
}

function writeJunit(path: string | undefined, reports: readonly FileReport[]): void {
  if (path === undefined) return;
  try {
    writeFileSync(path, junitXml(reports));
  } catch (error) {
    throw new CliError(`cannot write ${path}: ${(error as Error).message}`, { cause: error });
  }
}

export const test: Command = {
  usage: ["weir test PATH… [--filter TEXT] [--update] [--junit FILE]"],
  flags: {
    update: { type: "boolean", summary: "write what came out into the files, where it is not what they expect" },
    filter: { type: "string", value: "TEXT", summary: "only cases with this text in FILE:LINE NAME, in any case" },
    junit: { type: "string", value: "FILE", summary: "write the result as JUnit XML too" },
  },
  details: `
A PATH is a file, or a folder whose .case files are all run. A case holds a rule, rows with the times at which they
arrive, and the rows or diagnostics that are expected; the clock is virtual and no connection is opened. Each case that
fails is shown with the difference: - is expected, + was found. Exit code 1 means that some case failed. The format is
described in docs/testing-rules.md.`,
  run,
};
