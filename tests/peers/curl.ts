/**
 * curl as a client that others have written.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";

export interface CurlAnswer {
  /** Of curl: 0 when it got an answer. */
  readonly code: number | null;
  /** Of HTTP; 0 without an answer. */
  readonly status: number;
  readonly body: string;
  /** How many connections it has made. */
  readonly connections: number;
}

const marker = "\n--curl--";

/** Runs curl, with `input` on its standard input. Of several transfers, `status` is the last one's. */
export function curl(args: readonly string[], input: string | Uint8Array = ""): Promise<CurlAnswer> {
  const format = `${marker}%{http_code} %{num_connects}`;
  const child = spawn("curl", ["-sS", "--max-time", "30", "-w", format, ...args], { stdio: ["pipe", "pipe", "pipe"] });
  let text = "";
  child.stdout.on("data", (chunk: Uint8Array) => text += new TextDecoder().decode(chunk));
  child.stderr.resume();
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  return new Promise((resolve) => {
    child.on("close", (code) => {
      const bodies: string[] = [];
      let status = 0;
      let connections = 0;
      for (const part of text.split(/(?<=\n--curl--\d+ \d+)/)) {
        const [body = "", facts = "0 0"] = part.split(marker);
        const [http = "0", made = "0"] = facts.split(" ");
        bodies.push(body);
        status = Number(http);
        connections += Number(made);
      }
      resolve({ code, status, body: bodies.join(""), connections });
    });
  });
}

/** A transfer that goes on: `curl -N`. */
export class CurlStream {
  readonly #child: ChildProcess;
  #text = "";
  #ended = false;
  readonly #closed: Promise<void>;

  constructor(args: readonly string[]) {
    this.#child = spawn("curl", ["-sSN", ...args], { stdio: ["ignore", "pipe", "ignore"] });
    const decoder = new TextDecoder();
    this.#child.stdout!.on("data", (chunk: Uint8Array) => this.#text += decoder.decode(chunk, { stream: true }));
    this.#closed = new Promise((resolve) => this.#child.on("close", () => resolve()));
    void this.#closed.then(() => this.#ended = true);
  }

  /** All that has come. */
  get text(): string {
    return this.#text;
  }

  /** The server has ended it, or it was stopped. */
  get ended(): boolean {
    return this.#ended;
  }

  async stop(): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGKILL");
    await this.#closed;
  }
}
