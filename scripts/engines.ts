/**
 * Calls the two engines. `deno` is the one that runs the script, as `npx deno` puts none on PATH. `bun` is the binary
 * inside the npm package.
 * @module
 */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { root } from "./source_files.ts";

/** How a command ended, and what it printed when it was not shown. */
export interface Outcome {
  readonly code: number;
  readonly output: string;
}

export type Display = "show" | "collect";

/** A command that has not ended by then hangs; a clean machine needs a few minutes at most. */
const RUN_TIMEOUT_MS = 30 * 60_000;

/**
 * Runs a command in the repository; `show` passes its output through as well. Never rejects: a command that cannot be
 * found ends with 127, one that hangs is killed and ends with 124.
 */
export function run(
  command: string,
  args: readonly string[],
  display: Display = "show",
  timeoutMs: number = RUN_TIMEOUT_MS,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ["inherit", "pipe", "pipe"] });
    let hung = false;
    const timer = setTimeout(() => {
      hung = true;
      child.kill("SIGKILL");
    }, timeoutMs);
    let output = "";
    const take = (stream: NodeJS.WriteStream) => (chunk: Uint8Array) => {
      output += new TextDecoder().decode(chunk);
      if (display === "show") stream.write(chunk);
    };
    child.stdout.on("data", take(process.stdout));
    child.stderr.on("data", take(process.stderr));
    child.on("error", (error) => {
      clearTimeout(timer);
      resolve({ code: 127, output: `${output}${error.message}\n` });
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const note = hung ? `killed after ${timeoutMs / 1_000} s\n` : signal === null ? "" : `${signal}\n`;
      if (display === "show") process.stderr.write(note);
      resolve({ code: hung ? 124 : code ?? 1, output: output + note });
    });
  });
}

export function runDeno(args: readonly string[], display: Display = "show"): Promise<Outcome> {
  return run(process.execPath, args, display);
}

/** Fills `node_modules` on a fresh clone. Throws when that fails. */
export async function ensureInstalled(): Promise<void> {
  if (existsSync(join(root, "node_modules", "bun"))) return;
  const { code } = await runDeno(["install"]);
  if (code !== 0) throw new Error(`Cannot install dependencies: "deno install" ended with ${code}`);
}

/**
 * The Bun binary for this machine. The package `bun` would link it in its postinstall script, which Deno does not run;
 * the binary itself lies in an optional dependency beside it.
 */
export function findBun(): string {
  const installed = join(root, "node_modules", "bun");
  if (!existsSync(installed)) throw new Error(`Cannot find Bun in "${installed}": run deno install`);
  const scope = join(dirname(realpathSync(installed)), "@oven");
  const arch = process.arch === "arm64" ? "aarch64" : process.arch;
  // Both flavours are installed everywhere; the one for musl needs musl's loader.
  const musl = readdirSync("/lib").some((name) => name.startsWith("ld-musl-"));
  const binary = join(scope, `bun-${process.platform}-${arch}${musl ? "-musl" : ""}`, "bin", "bun");
  if (existsSync(binary)) return binary;
  throw new Error(`Cannot find Bun for "${process.platform}-${process.arch}" in "${scope}": run deno install`);
}
