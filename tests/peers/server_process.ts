/**
 * A server that others have written, as a process that tests start, kill, freeze and start again in the same place.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { connect, createServer } from "node:net";
import process from "node:process";

const startTimeoutMs = 30_000;

export interface ServerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** True when it serves; asked again and again after the start. */
  ready(): boolean | Promise<boolean>;
}

export class ServerProcess {
  readonly #command: ServerCommand;
  #process: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #log = "";

  constructor(command: ServerCommand) {
    this.#command = command;
  }

  /** All that it has printed. */
  get log(): string {
    return this.#log;
  }

  /**
   * Starts it and waits until it serves.
   *
   * @throws when it ends, or does not serve in time, with what it has printed
   */
  async start(): Promise<void> {
    const { program, args, env, cwd } = this.#command;
    const child = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      ...(env === undefined ? {} : { env: { ...process.env, ...env } }),
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.#process = child;
    let exit: string | undefined;
    const take = (chunk: unknown) => void (this.#log += String(chunk));
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    this.#ended = new Promise((resolve) => {
      child.on("error", (error) => {
        exit = error.message;
        resolve();
      });
      child.on("exit", (code, signal) => {
        exit ??= `exit ${code ?? signal}`;
        resolve();
      });
    });
    const deadline = Date.now() + startTimeoutMs;
    while (!(await this.#command.ready())) {
      if (exit !== undefined) throw new Error(`${program} has ended (${exit}):\n${this.#log}`);
      if (Date.now() > deadline) {
        await this.kill();
        throw new Error(`${program} does not serve after ${startTimeoutMs} ms:\n${this.#log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  // Not `child.kill`: Deno takes the process for dead after the first signal, whichever it was.
  #signal(signal: NodeJS.Signals): void {
    const child = this.#process;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    process.kill(child.pid, signal);
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    this.#signal("SIGCONT");
    this.#signal(signal);
    await this.#ended;
    this.#process = undefined;
  }

  /** Ends it in order (SIGTERM) and waits. */
  halt(): Promise<void> {
    return this.#end("SIGTERM");
  }

  /** Ends it with SIGKILL and waits. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** Makes it silent, its sockets open: SIGSTOP. */
  freeze(): void {
    this.#signal("SIGSTOP");
  }

  thaw(): void {
    this.#signal("SIGCONT");
  }
}

/** A loopback port that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      if (address === null || typeof address === "string") return reject(new Error("no port"));
      server.close(() => resolve(address.port));
    });
  });
}

/** Whether somebody takes connections on a port of this machine. */
export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
