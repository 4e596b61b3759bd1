/**
 * Runs command lines in this process, and agents as processes of their own.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { CliContext } from "../../src/cli/command.ts";
import { runCli } from "../../src/cli/run.ts";
import { loadPlatform } from "../../src/platform/mod.ts";
import { memoryEngine } from "./memory_engine.ts";

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line of short life. */
export async function weir(args: readonly string[], options: Partial<CliContext> = {}): Promise<Outcome> {
  let stdout = "";
  let stderr = "";
  const code = await runCli(args, {
    environment: {},
    stdout: (text) => stdout += text,
    stderr: (text) => stderr += text,
    stdin: () => Promise.resolve(""),
    stdinBytes: async function* () {},
    isTerminal: { stdout: false, stderr: false },
    fetch: (url, init) => fetch(url, init),
    platform: await loadPlatform(),
    loadEngine: () => Promise.resolve(memoryEngine()),
    loadModbus: () => import("../../connectors/modbus/master.ts"),
    ...options,
  });
  return { code, stdout, stderr };
}

export function temporaryDirectory(): { path: string; cleanUp(): void } {
  const path = mkdtempSync(join(tmpdir(), "weir-cli-"));
  return { path, cleanUp: () => rmSync(path, { recursive: true, force: true }) };
}

export interface Agent {
  readonly url: string;
  readonly process: ChildProcess;
  /** Everything it wrote so far. */
  output(): { readonly stdout: string; readonly stderr: string };
  /** Resolves with exit code and signal. */
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  stop(signal?: "SIGTERM" | "SIGKILL"): Promise<{ code: number | null; signal: string | null }>;
}

const deadlineMs = 30_000;

/** Starts an agent on a free port under the engine that runs this test; rejects when it ends before it is ready. */
export function startAgent(args: readonly string[], environment: Record<string, string> = {}): Promise<Agent> {
  const fixture = fileURLToPath(new URL("./agent_fixture.ts", import.meta.url));
  const isDeno = process.versions.deno !== undefined;
  const child = spawn(
    process.execPath,
    [...(isDeno ? ["run", "-A", "--no-check"] : []), fixture, "serve", "--listen", "127.0.0.1:0", ...args],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...environment } },
  );
  let stdout = "";
  let stderr = "";
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal }));
  });
  child.stderr.on("data", (chunk: Uint8Array) => stderr += new TextDecoder().decode(chunk));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`the agent was not ready in time: ${stdout}${stderr}`));
    }, deadlineMs);
    child.stdout.on("data", (chunk: Uint8Array) => {
      stdout += new TextDecoder().decode(chunk);
      const url = /ready on (\S+)\n/.exec(stdout)?.[1];
      if (url === undefined) return;
      clearTimeout(timer);
      resolve({
        url,
        process: child,
        output: () => ({ stdout, stderr }),
        exited,
        stop(signal = "SIGTERM") {
          // Not `child.kill`: Deno's version sends one signal only, and then reports it as the reason of the exit.
          if (child.exitCode === null && child.signalCode === null) process.kill(child.pid!, signal);
          return exited;
        },
      });
    });
    exited.then(({ code }) => {
      clearTimeout(timer);
      reject(new Error(`the agent ended with ${code}: ${stdout}${stderr}`));
    });
  });
}
