/**
 * Asks for the rows of a key. What rules ask in the same turn goes to the server in one pipeline.
 * @module
 */
import type { InferOutput } from "valibot";
import { Disconnected, RetryLater } from "../../src/connector/errors.ts";
import { lookupKey } from "../../src/connector/lookup_key.ts";
import type { Lookup, Struct, Value } from "../../src/connector/lookup.ts";
import { getOwn, setOwn } from "../../src/value/value.ts";
import type { Command, RedisClient, Reply } from "./client.ts";
import type { lookupSettings } from "./mod.ts";
import { keyText } from "./row_commands.ts";

interface Question {
  readonly command: Command;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
}

const utf8 = new TextDecoder();

export class RedisLookup implements Lookup {
  readonly #client: RedisClient;
  /** The KEY of the table; empty: whatever column it is joined by. */
  readonly #key: string;
  readonly #dataType: "string" | "list";
  #questions: Question[] = [];

  constructor(settings: InferOutput<typeof lookupSettings>, client: RedisClient) {
    this.#client = client;
    this.#key = settings.key;
    this.#dataType = settings.dataType;
  }

  async find(
    keys: readonly string[],
    values: readonly Value[],
    _columns: readonly string[] | "all",
    signal: AbortSignal,
  ): Promise<readonly Struct[]> {
    signal.throwIfAborted();
    const at = this.#key === "" ? 0 : keys.indexOf(this.#key);
    if (at === -1 || (this.#key === "" && keys.length > 1)) {
      const wanted = this.#key === "" ? "one column, or a KEY that says which one is the key" : `KEY "${this.#key}"`;
      throw new Error(`Redis finds rows by their key only: wanted ${wanted}, found ${keys.join(", ")}`);
    }
    const key = keyText(values[at]);
    if (key === undefined) return [];
    const reply = await this.#ask(this.#dataType === "string" ? ["get", key] : ["lrange", key, 0, -1], signal);
    if (reply instanceof Error) throw new Error(`Cannot read the key "${key}": ${reply.message}`);
    const wanted = lookupKey(values);
    return rowsOf(key, reply).filter((row) => {
      // A row need not hold its key.
      if (getOwn(row, keys[at]!) === undefined) setOwn(row, keys[at]!, values[at]);
      return lookupKey(keys.map((name) => getOwn(row, name))) === wanted;
    });
  }

  #ask(command: Command, signal: AbortSignal): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#questions.length === 0) queueMicrotask(() => void this.#send());
      const abort = () => reject(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      const settled = <T>(settle: (value: T) => void) => (value: T) => {
        signal.removeEventListener("abort", abort);
        settle(value);
      };
      this.#questions.push({ command, resolve: settled(resolve), reject: settled(reject) });
    });
  }

  async #send(): Promise<void> {
    const questions = this.#questions;
    this.#questions = [];
    try {
      const replies = await this.#client.run(questions.map(({ command }) => command));
      for (const [i, { resolve }] of questions.entries()) resolve(replies[i]);
    } catch (error) {
      // A server that is busy is asked again through another handle; the engine waits between them.
      const reason = error instanceof RetryLater ? new Disconnected(error.message, { cause: error }) : error;
      for (const { reject } of questions) reject(reason);
    }
  }

  close(): Promise<void> {
    this.#client.close();
    return Promise.resolve();
  }
}

/** The rows that a value or the elements of a list hold, as JSON objects or lists of them. */
function rowsOf(key: string, reply: Reply): Struct[] {
  if (reply === null) return [];
  const texts = Array.isArray(reply) ? reply as Uint8Array[] : [reply as Uint8Array];
  return texts.flatMap((bytes) => {
    let value: unknown;
    try {
      value = JSON.parse(utf8.decode(bytes));
    } catch (error) {
      throw new Error(`The value of the key "${key}" is no JSON: ${(error as Error).message}`);
    }
    const rows = Array.isArray(value) ? value : [value];
    if (rows.some((row) => typeof row !== "object" || row === null || Array.isArray(row))) {
      throw new Error(`The value of the key "${key}" is no JSON object`);
    }
    return rows as Struct[];
  });
}
