/**
 * `deno task demo [ARGUMENT…]`: builds the binary when it is missing or older than a source file, then runs its demo.
 * @module
 */
import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { build } from "./build.ts";
import { root, sourceFiles } from "./source_files.ts";

const binary = join(root, "dist", "weir");

/** True when there is no binary, or a file that goes into it was changed later. */
function isStale(): boolean {
  if (!existsSync(binary)) return true;
  const builtAt = statSync(binary).mtimeMs;
  const parts = ["deno.json", "deno.lock", "main.ts", ...below("src"), ...below("connectors")];
  return parts.some((path) => existsSync(join(root, path)) && statSync(join(root, path)).mtimeMs > builtAt);
}

function below(folder: string): string[] {
  return sourceFiles("", join(root, folder)).map((path) => join(folder, path));
}

/** Runs `weir demo` in the foreground and returns its exit code. Signals of the terminal reach it by themselves. */
function runDemo(args: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(binary, ["demo", ...args], { stdio: "inherit" });
    process.on("SIGTERM", () => child.kill("SIGTERM"));
    process.on("SIGINT", () => {});
    child.on("error", (error) => {
      console.error(`Cannot run "${binary}": ${error.message}`);
      resolve(1);
    });
    child.on("close", (code) => resolve(code ?? 1));
  });
}

if (import.meta.main) {
  const built = isStale() ? await build({ engine: "bun" }) : 0;
  process.exit(built === 0 ? await runDemo(process.argv.slice(2)) : built);
}
