/**
 * A weir agent as a process, and weir's short-lived commands: from source under the engine that runs the test, or the
 * binary that `WEIR_BINARY` names.
 *
 * ```ts ignore
 * await withAgent(async (agent) => {
 *   await agent.expect(201, "POST", "/streams", { sql: 'CREATE STREAM demo () WITH (TYPE="mqtt")' });
 * });
 * ```
 * @module
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assertBalanced } from "../ledger/balanced.ts";

/** Machines that test several things at once are slow. */
const deadlineMs = 30_000;

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** The status JSON of a rule. */
export type Status = Readonly<Record<string, string | number>>;

export interface StartOptions {
  /** Made, and removed when the agent stops, without it. */
  readonly dataDir?: string;
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** A program, with its arguments, that runs the agent: `["nice", "-n", "10"]`. It must become the agent (`exec`). */
  readonly wrapper?: readonly string[];
}

/** The program that is tested, with its arguments. */
export function command(args: readonly string[]): [program: string, args: string[]] {
  const binary = process.env.WEIR_BINARY;
  if (binary !== undefined && binary !== "") return [resolve(binary), [...args]];
  const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
  const isDeno = process.versions.deno !== undefined;
  return [process.execPath, [...(isDeno ? ["run", "-A", "--no-check"] : []), main, ...args]];
}

function launch(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  wrapper: readonly string[] = [],
): ChildProcess {
  const [agent, agentArgs] = command(args);
  const [program, ...all] = [...wrapper, agent, ...agentArgs] as [string, ...string[]];
  return spawn(program, all, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...environment } });
}

/** Runs a command of weir that ends by itself, with `input` on its standard input. */
export function weir(args: readonly string[], input: string | Uint8Array = ""): Promise<Outcome> {
  const child = launch(args);
  const output = collect(child);
  child.stdin!.on("error", () => {});
  child.stdin!.end(input);
  return new Promise((done) => {
    child.on("close", (code) => done({ code, ...output() }));
  });
}

function collect(child: ChildProcess): () => { readonly stdout: string; readonly stderr: string } {
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    const decoder = new TextDecoder();
    child[name]!.on("data", (chunk: Uint8Array) => text[name] += decoder.decode(chunk, { stream: true }));
  }
  return () => ({ ...text });
}

export class Agent {
  readonly pid: number;
  readonly url: string;
  readonly dataDir: string;
  readonly #child: ChildProcess;
  readonly #output: () => { readonly stdout: string; readonly stderr: string };
  readonly #exited: Promise<number | null>;
  readonly #ownsDataDir: boolean;

  private constructor(
    child: ChildProcess,
    url: string,
    output: () => { readonly stdout: string; readonly stderr: string },
    exited: Promise<number | null>,
    data: { readonly dir: string; readonly owned: boolean },
  ) {
    this.pid = child.pid!;
    this.url = url;
    this.dataDir = data.dir;
    this.#child = child;
    this.#output = output;
    this.#exited = exited;
    this.#ownsDataDir = data.owned;
  }

  /** Starts an agent on a free port and waits for its ready line; rejects with its output when it ends before. */
  static async start({ dataDir, args = [], environment, wrapper }: StartOptions = {}): Promise<Agent> {
    const owned = dataDir === undefined;
    const dir = dataDir ?? mkdtempSync(join(tmpdir(), "weir-agent-"));
    const child = launch(["serve", "--listen", "127.0.0.1:0", "--data-dir", dir, ...args], environment, wrapper);
    const output = collect(child);
    let ended = false;
    const exited = new Promise<number | null>((done) => child.on("close", (code) => done(code)));
    exited.then(() => ended = true);
    const late = Date.now() + deadlineMs;
    for (;;) {
      const url = /ready on (\S+)\n/.exec(output().stdout)?.[1];
      if (url !== undefined) return new Agent(child, url, output, exited, { dir, owned });
      if (ended || Date.now() > late) {
        if (!ended) process.kill(child.pid!, "SIGKILL");
        if (owned) rmSync(dir, { recursive: true, force: true });
        throw new Error(`The agent did not start:\n${output().stdout}${output().stderr}`);
      }
      await new Promise((done) => setTimeout(done, 5));
    }
  }

  /** Starts an agent and kills it after `ms`, however far it has come. Resolves with what it wrote. */
  static async startAndKill(ms: number, dataDir: string): Promise<string> {
    const child = launch(["serve", "--listen", "127.0.0.1:0", "--data-dir", dataDir]);
    const output = collect(child);
    const closed = new Promise((done) => child.on("close", done));
    await new Promise((done) => setTimeout(done, ms));
    if (child.exitCode === null && child.signalCode === null) process.kill(child.pid!, "SIGKILL");
    await closed;
    return output().stdout + output().stderr;
  }

  /** True once the process has ended, for whatever reason. */
  get exited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Everything it wrote so far. */
  output(): { readonly stdout: string; readonly stderr: string } {
    return this.#output();
  }

  /** Calls the REST interface; a body that is no text is sent as JSON. */
  async call(method: string, path: string, body?: unknown): Promise<Answer> {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const response = await fetch(this.url + path, { method, ...(text === undefined ? {} : { body: text }) });
    return { status: response.status, text: await response.text() };
  }

  /** Calls, and fails unless the answer has this status; returns its text. */
  async expect(status: number, method: string, path: string, body?: unknown): Promise<string> {
    const answer = await this.call(method, path, body);
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
    return answer.text;
  }

  async status(rule: string): Promise<Status> {
    return JSON.parse(await this.expect(200, "GET", `/rules/${rule}/status`));
  }

  /** Asks for the status of a rule until it is as wanted, and returns it. */
  async reaches(rule: string, wanted: (status: Status) => boolean, timeoutMs = deadlineMs): Promise<Status> {
    const late = Date.now() + timeoutMs;
    for (;;) {
      const status = await this.status(rule);
      if (wanted(status)) return status;
      if (Date.now() > late) {
        throw new Error(`Rule ${rule} never got there: ${wanted}\n${JSON.stringify(status, null, 1)}`);
      }
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  /** Looks at the ledgers of all rules, of an agent that answers. */
  async assertBalanced(): Promise<void> {
    const rules: { readonly id: string }[] = JSON.parse(await this.expect(200, "GET", "/rules"));
    for (const { id } of rules) {
      await assertBalanced(async () =>
        JSON.parse(await this.expect(200, "GET", `/api/v1/rules/${encodeURIComponent(id)}/ledger`))
      );
    }
  }

  /** Sends a signal and waits for the exit; null when a signal ended it. */
  async end(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<number | null> {
    // Not `child.kill`: under Deno it sends one signal only, and then reports it as the reason of the exit.
    if (!this.exited) process.kill(this.pid, signal);
    return await this.#exited;
  }

  /** Kills it and removes a directory that was made for it. */
  async remove(): Promise<void> {
    await this.end("SIGKILL");
    if (this.#ownsDataDir) rmSync(this.dataDir, { recursive: true, force: true });
  }
}

/**
 * Runs `work` with an agent, and kills the agent whatever happens. When all went well, every row and message of every rule
 * must be accounted for.
 */
export async function withAgent(work: (agent: Agent) => Promise<void>, options: StartOptions = {}): Promise<void> {
  const agent = await Agent.start(options);
  try {
    await work(agent);
    // One with TLS has a certificate that nobody knows here.
    if (!agent.exited && agent.url.startsWith("http:")) await agent.assertBalanced();
  } catch (error) {
    console.error(agent.output().stderr.slice(-3000));
    throw error;
  } finally {
    await agent.remove();
  }
}

/** A directory that is removed after `work`. */
export async function withFolder<T>(work: (path: string) => Promise<T>): Promise<T> {
  const path = mkdtempSync(join(tmpdir(), "weir-agent-"));
  try {
    return await work(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}
