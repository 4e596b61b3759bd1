/**
 * Builds the binary: `deno task build [--target linux-x64|linux-arm64|linux-x64-musl|linux-arm64-musl]
 * [--engine bun|deno] [--entry FILE] [--out FILE]`.
 *
 * Without a target it builds for this machine, to `dist/weir`; with one, to `dist/weir-TARGET`. Exit codes: 0 built,
 * 1 failed, 2 wrong arguments, 3 `deno compile` could not download the base of its binary.
 * @module
 */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import type { BundleOptions } from "./bundle.ts";
import { ensureInstalled, findBun, type Outcome, run, runDeno } from "./engines.ts";
import { root } from "./source_files.ts";

export const targets = ["linux-x64", "linux-arm64", "linux-x64-musl", "linux-arm64-musl"] as const;
export type Target = typeof targets[number];

export interface BuildOptions {
  readonly engine: "bun" | "deno";
  /** Absent for this machine. */
  readonly target?: Target;
  /** Paths relative to the working directory; `main.ts` and below `dist/` when absent. */
  readonly entry?: string;
  readonly out?: string;
}

export const EXIT_NO_BASE_BINARY = 3;

const DENO_TRIPLES: Record<Target, string | undefined> = {
  "linux-x64": "x86_64-unknown-linux-gnu",
  "linux-arm64": "aarch64-unknown-linux-gnu",
  "linux-x64-musl": undefined,
  "linux-arm64-musl": undefined,
};

/** Builds, prints path, size and time, and returns the exit code. */
export async function build(options: BuildOptions): Promise<number> {
  await ensureInstalled();
  const entry = resolve(options.entry ?? join(root, "main.ts"));
  const suffix = (options.engine === "deno" ? "-deno" : "") +
    (options.target === undefined ? "" : `-${options.target}`);
  const out = resolve(options.out ?? join(root, "dist", `weir${suffix}`));
  mkdirSync(dirname(out), { recursive: true });

  const stamp = { WEIR_VERSION: readVersion(), WEIR_COMMIT: await readCommit() };
  const begin = performance.now();
  const { code, output } = options.engine === "bun"
    ? await bunBuild(entry, out, stamp, options.target)
    : await denoCompile(entry, out, stamp, options.target);
  if (code !== 0) {
    console.error(output.trimEnd());
    if (options.engine === "deno" && isDownloadFailure(output)) {
      console.error(
        "Cannot build with Deno: the base of the binary could not be downloaded from dl.deno.land; everything before " +
          "that step succeeded. Build where that host can be reached, or use --engine bun",
      );
      return EXIT_NO_BASE_BINARY;
    }
    console.error(`Cannot build "${relative(process.cwd(), out)}": ${options.engine} ended with ${code}`);
    return 1;
  }
  const seconds = (performance.now() - begin) / 1_000;
  const megabytes = statSync(out).size / 1_000_000;
  const version = `${stamp.WEIR_VERSION} ${stamp.WEIR_COMMIT}`.trimEnd();
  console.log(`${relative(process.cwd(), out)}  ${megabytes.toFixed(1)} MB  ${seconds.toFixed(1)} s  ${version}`);
  return 0;
}

/** Code that the agent starts in a thread of its own, which a binary has to hold besides its entry. */
const threads = ["src/runtime/scripts/worker.ts"];

function threadsOf(entry: string): string[] {
  return entry === join(root, "main.ts") ? threads.map((thread) => join(root, thread)) : [];
}

type Stamp = Readonly<Record<"WEIR_VERSION" | "WEIR_COMMIT", string>>;

function bunBuild(entry: string, out: string, stamp: Stamp, target: Target | undefined): Promise<Outcome> {
  const options: BundleOptions = {
    entries: [entry, ...threadsOf(entry)],
    out,
    ...(target === undefined ? {} : { target: `bun-${target}` }),
    define: Object.fromEntries(Object.entries(stamp).map(([name, value]) => [name, JSON.stringify(value)])),
  };
  return run(findBun(), ["run", join(root, "scripts", "bundle.ts"), JSON.stringify(options)], "collect");
}

async function denoCompile(entry: string, out: string, stamp: Stamp, target: Target | undefined): Promise<Outcome> {
  const triple = target === undefined ? undefined : DENO_TRIPLES[target];
  if (target !== undefined && triple === undefined) return { code: 1, output: `Deno has no target "${target}"` };
  // Deno has no --define, so this entry sets the same names before it loads the real one.
  const stamped = `${out}.entry.ts`;
  writeFileSync(
    stamped,
    `Object.assign(globalThis, ${JSON.stringify(stamp)});\nawait import(${JSON.stringify(entry)});\n`,
  );
  try {
    const checked = await runDeno(["check", entry], "collect");
    if (checked.code !== 0) return checked;
    const target = triple === undefined ? [] : [`--target=${triple}`];
    const included = threadsOf(entry).map((thread) => `--include=${thread}`);
    const options = ["--allow-all", "--no-check", ...included, ...target, `--output=${out}`];
    return await runDeno(["compile", ...options, stamped], "collect");
  } finally {
    rmSync(stamped);
  }
}

/** True when `deno compile` got as far as its download and no further. */
export function isDownloadFailure(output: string): boolean {
  return /denort/.test(output) && /(error sending request|dns error|connect|timed out|status)/i.test(output);
}

function readVersion(): string {
  const manifest: { version: string } = JSON.parse(readFileSync(join(root, "deno.json"), "utf8"));
  return manifest.version;
}

/** Empty without git or outside a repository, as in a source archive. */
async function readCommit(): Promise<string> {
  const head = await run("git", ["rev-parse", "--short=10", "HEAD"], "collect");
  if (head.code !== 0) return "";
  const status = await run("git", ["status", "--porcelain", "--untracked-files=no"], "collect");
  return head.output.trim() + (status.output.trim() === "" ? "" : "+changes");
}

function parseOptions(args: string[]): BuildOptions {
  const { values } = parseArgs({
    args,
    options: {
      target: { type: "string" },
      engine: { type: "string", default: "bun" },
      entry: { type: "string" },
      out: { type: "string" },
    },
  });
  const { engine, entry, out } = values;
  if (engine !== "bun" && engine !== "deno") {
    throw new TypeError(`Cannot build with engine "${engine}": expected bun or deno`);
  }
  const target = targets.find((target) => target === values.target);
  if (values.target !== undefined && target === undefined) {
    throw new TypeError(`Cannot build for target "${values.target}": expected ${targets.join(", ")}`);
  }
  return { engine, ...(target && { target }), ...(entry && { entry }), ...(out && { out }) };
}

if (import.meta.main) {
  let options: BuildOptions | undefined;
  try {
    options = parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
  }
  process.exit(options === undefined ? 2 : await build(options));
}
