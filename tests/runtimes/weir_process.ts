/**
 * A weir agent as its own process: started with a data directory of its own, spoken to over REST, stopped by SIGTERM.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** Emulated processors need long to start. */
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;

export class WeirProcess {
  readonly pid: number;
  /** Base address of the REST API, without a trailing slash. */
  readonly url: string;
  readonly dataDir: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<number>;
  readonly #log: () => string;
  readonly #remove: () => void;

  private constructor(
    child: ChildProcess,
    exited: Promise<number>,
    log: () => string,
    url: string,
    dataDir: string,
    remove: () => void,
  ) {
    this.pid = child.pid!;
    this.url = url;
    this.dataDir = dataDir;
    this.#child = child;
    this.#exited = exited;
    this.#log = log;
    this.#remove = remove;
  }

  /** The end of what it has printed, for messages of failed checks. */
  get log(): string {
    return this.#log().slice(-2_000);
  }

  /**
   * Runs `command serve` on a free port and waits for its ready line. Rejects with what it printed when it ends early
   * or does not get ready within a minute. A data directory that is given stays when it stops.
   */
  static async start(command: readonly string[], given?: { readonly dataDir: string }): Promise<WeirProcess> {
    const [program, ...args] = command;
    if (program === undefined) throw new TypeError("Cannot start weir: the command is empty");
    const dataDir = given?.dataDir ?? mkdtempSync(join(tmpdir(), "weir-data-"));
    const remove = () => given === undefined && rmSync(dataDir, { recursive: true, force: true });
    const child = spawn(program, [...args, "serve", "--listen", "127.0.0.1:0", "--data-dir", dataDir], {
      cwd: dataDir,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const exited = new Promise<number>((resolve) => {
      child.on("error", (error) => {
        output += error.message;
        resolve(127);
      });
      child.on("exit", (code, signal) => {
        if (signal !== null) output += `ended by ${signal}`;
        resolve(code ?? 1);
      });
    });
    const ready = new Promise<string>((resolve) => {
      const take = (chunk: Uint8Array) => {
        output += String(chunk);
        const url = /ready on (https?:\/\/\S+)/.exec(output)?.[1];
        if (url !== undefined) resolve(url);
        // The ready line is all that is needed of a log that may grow for long.
        if (output.length > 100_000) output = output.slice(-50_000);
      };
      child.stdout.on("data", take);
      child.stderr.on("data", take);
    });
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), START_TIMEOUT_MS);
    });
    const url = await Promise.race([ready, exited.then(() => undefined), late]);
    clearTimeout(timer);
    if (url === undefined) {
      child.kill("SIGKILL");
      remove();
      throw new Error(`Cannot start "${command.join(" ")}": it printed no ready line but:\n${output}`);
    }
    return new WeirProcess(child, exited, () => output, url, dataDir, remove);
  }

  /** Calls the REST API; throws with the answer's text unless its status is the expected one. Returns the text. */
  async call(method: string, path: string, expectedStatus: number, body?: unknown): Promise<string> {
    const response = await fetch(this.url + path, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    const text = await response.text();
    if (response.status !== expectedStatus) {
      throw new Error(`${method} ${path}: got ${response.status}, want ${expectedStatus}: ${text}`);
    }
    return text;
  }

  /** Asks it to end and returns its exit code. One that does not end within half a minute is killed: code 137. */
  async stop(): Promise<number> {
    // Not the child's own `kill`: after it, Deno reports the signal instead of the exit code.
    if (this.#child.exitCode === null && this.#child.signalCode === null) process.kill(this.pid, "SIGTERM");
    let killed = false;
    const timer = setTimeout(() => {
      killed = true;
      this.#child.kill("SIGKILL");
    }, STOP_TIMEOUT_MS);
    const code = await this.#exited;
    clearTimeout(timer);
    this.#remove();
    return killed ? 137 : code;
  }
}
