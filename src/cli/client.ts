/**
 * Talks to a running agent over its REST interface.
 * @module
 */
import { Buffer } from "node:buffer";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { renderDiagnostic } from "../diagnostics/render.ts";
import { certificateTrouble } from "./certificate_trouble.ts";
import { type Arguments, type CliContext, CliError, type Flag, UsageError } from "./command.ts";

export const defaultServer = "http://127.0.0.1:9081";
const timeoutMs = 30_000;

/** Flags of every command that talks to an agent. */
export const clientFlags = {
  server: { type: "string", short: "s", value: "URL", summary: `the agent; WEIR_SERVER, or ${defaultServer}` },
  token: { type: "string", value: "TOKEN", summary: "an API token, or NAME:PASSWORD of a user; WEIR_TOKEN" },
  json: { type: "boolean", summary: "print what the agent answers, as JSON" },
} as const satisfies Record<string, Flag>;

interface ErrorBody {
  readonly message?: string;
  readonly diagnostics?: readonly Diagnostic[];
}

export class AgentClient {
  readonly #server: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #fetch: CliContext["fetch"];

  constructor(args: Arguments, context: CliContext) {
    this.#headers = credential(args.text("token") ?? context.environment.WEIR_TOKEN ?? "");
    const server = args.text("server") ?? (context.environment.WEIR_SERVER || defaultServer);
    const url = /^https?:\/\//.test(server) ? server : `http://${server}`;
    if (!URL.canParse(url)) throw new UsageError(`${JSON.stringify(server)} is not the URL of a server`);
    this.#server = url.replace(/\/+$/, "");
    this.#fetch = context.fetch;
  }

  /**
   * The answer's text. `statement` is the SQL that the body carries; places in error answers point into it.
   *
   * @throws {CliError} when no agent answers, or its certificate is not to be trusted.
   * @throws {CliError} with the agent's message and the places of mistakes when it refuses.
   */
  async request(method: string, path: string, body?: string, statement?: string): Promise<string> {
    let response: Response;
    let text: string;
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const headers = this.#headers;
      response = await this.#fetch(this.#server + path, {
        method,
        headers,
        signal,
        ...(body === undefined ? {} : { body }),
      });
      text = await response.text();
    } catch (error) {
      throw this.#unreachable(error);
    }
    if (response.ok) return text;
    throw refused(text, response.status, statement);
  }

  /**
   * The pieces of an answer that goes on until `signal` ends it, or the agent does.
   *
   * @throws {CliError} as {@linkcode request}.
   */
  async *stream(path: string, signal: AbortSignal): AsyncGenerator<string> {
    // One that answers not at all is not waited for; one that has begun may pause.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new Error("no answer in time")), timeoutMs);
    try {
      const response = await this.#fetch(this.#server + path, {
        headers: this.#headers,
        signal: AbortSignal.any([signal, late.signal]),
      });
      clearTimeout(timer);
      if (!response.ok) throw refused(await response.text(), response.status, undefined);
      const decoder = new TextDecoder();
      for await (const bytes of response.body ?? []) yield decoder.decode(bytes, { stream: true });
    } catch (error) {
      if (signal.aborted) return;
      throw error instanceof CliError ? error : this.#unreachable(error);
    } finally {
      clearTimeout(timer);
    }
  }

  #unreachable(error: unknown): CliError {
    const trouble = certificateTrouble(error);
    if (trouble !== undefined) {
      return new CliError(`${this.#server} cannot be trusted: ${trouble.reason}\n  ${trouble.hint}`, { cause: error });
    }
    return new CliError(
      `no weir answers at ${this.#server} (${reason(error)})\n` +
        "  start one with `weir serve`, or name another with --server or WEIR_SERVER",
      { cause: error },
    );
  }

  /** As {@linkcode request}, for answers that are JSON. */
  async json<T>(method: string, path: string, body?: string): Promise<T> {
    const text = await this.request(method, path, body);
    try {
      return JSON.parse(text) as T;
    } catch {
      throw new CliError(`${this.#server} does not answer like a weir: ${text.slice(0, 80)}`);
    }
  }
}

/** The header with a token, or with a name and a password. */
function credential(text: string): Record<string, string> {
  if (text === "") return {};
  // Tokens have no colon.
  const isPassword = text.includes(":");
  return { Authorization: isPassword ? `Basic ${Buffer.from(text).toString("base64")}` : `Bearer ${text}` };
}

function refused(text: string, status: number, statement: string | undefined): CliError {
  return new CliError(status === 401 ? notKnown(text) : refusal(text, status, statement));
}

function notKnown(text: string): string {
  const why = text === "missing_token" ? "the agent wants a credential" : text.trim();
  return `${why}\n  give one with --token or WEIR_TOKEN: an API token, or NAME:PASSWORD of a user`;
}

/** The innermost cause says most: `connection refused`. */
function reason(error: unknown): string {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause instanceof Error) innermost = innermost.cause;
  return innermost instanceof Error ? innermost.message : String(innermost);
}

function refusal(text: string, status: number, statement: string | undefined): string {
  let body: ErrorBody = {};
  try {
    body = JSON.parse(text) as ErrorBody;
  } catch {
    return text.trim() === "" ? `the agent answered ${status}` : text.trim();
  }
  const diagnostics = body.diagnostics ?? [];
  // A place or a hint is worth more than the sentence for machines.
  const tellsMore = diagnostics.some((d) => d.span !== undefined || d.path !== undefined || d.hint !== undefined);
  if (!tellsMore) return body.message ?? `the agent answered ${status}`;
  return diagnostics.map((d) => renderDiagnostic(d, statement)).join("\n");
}

/** The text of `-f FILE`, of standard input for `-f -`, or the positional at `index`. */
export async function inputText(args: Arguments, context: CliContext, index: number, what: string): Promise<string> {
  const file = args.text("file");
  const given = args.positionals[index];
  if (file !== undefined && given !== undefined) throw new UsageError(`give ${what} either as text or with --file`);
  if (file === "-") return await context.stdin();
  if (file !== undefined) {
    const { readFileSync } = await import("node:fs");
    try {
      return readFileSync(file, "utf8");
    } catch (error) {
      throw new CliError(`cannot read ${file}: ${(error as Error).message}`, { cause: error });
    }
  }
  if (given === undefined) throw new UsageError(`${what} is missing`, "give it as text or with --file");
  return given;
}

/** Picks one of a command's verbs; the rest of the positionals are its operands. */
export function readVerb<Verb extends string>(
  args: Arguments,
  verbs: readonly Verb[],
  suggestion: (name: string) => string | undefined,
): Verb {
  const [name] = args.positionals;
  if (name === undefined) throw new UsageError(`what shall be done is missing: one of ${verbs.join(", ")}`);
  const verb = verbs.find((each) => each === name);
  if (verb === undefined) throw new UsageError(`unknown action ${JSON.stringify(name)}`, suggestion(name));
  return verb;
}

/** The operand at `index`; counts that there are no more than `max`. */
export function operand(args: Arguments, index: number, what: string, max = index): string {
  const extra = args.positionals[max + 1];
  if (extra !== undefined) throw new UsageError(`unexpected ${JSON.stringify(extra)}`);
  return args.positionals[index] ?? missing(what);
}

function missing(what: string): never {
  throw new UsageError(`${what} is missing`);
}

/** Rows as aligned columns with a heading. */
export function tableText(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [heading, ...rows];
  const widths = heading.map((_, i) => Math.max(...all.map((row) => row[i]!.length)));
  return all.map((row) => `${row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd()}\n`).join("");
}
