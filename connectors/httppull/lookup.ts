/**
 * Asks a server for the rows of a key.
 * @module
 */
import type { ConnectorContext } from "../../src/connector/context.ts";
import { keyOf } from "../../src/connector/lookup_key.ts";
import type { Lookup, LookupColumns, Struct, Value } from "../../src/connector/lookup.ts";
import { isTemplate } from "../../src/template/template.ts";
import { plainText } from "../../src/value/plain_text.ts";
import { getOwn, setOwn } from "../../src/value/value.ts";
import { Puller, PullRefused, textOf } from "./puller.ts";
import { type RequestSettings, urlOf } from "./request_settings.ts";

/** Rows of a window may ask all at once. */
const requestsMax = 8;

export class PullLookup implements Lookup {
  readonly #puller: Puller;
  readonly #clock: ConnectorContext["clock"];
  readonly #appendsKeys: boolean;
  #pulledAt = 0;

  constructor(settings: RequestSettings, context: ConnectorContext) {
    this.#puller = new Puller({ settings, context, requestsMax });
    this.#clock = context.clock;
    this.#appendsKeys = !isTemplate(urlOf(settings)) && !isTemplate(settings.body);
  }

  async find(
    keys: readonly string[],
    values: readonly Value[],
    _columns: LookupColumns,
    signal: AbortSignal,
  ): Promise<readonly Struct[]> {
    const data: Struct = {};
    keys.forEach((key, i) => setOwn(data, key, values[i]));
    const now = this.#clock.now();
    const times = { PullTime: BigInt(now), LastPullTime: BigInt(this.#pulledAt) };
    this.#pulledAt = now;
    const query = keys.map((key, i) => `${encodeURIComponent(key)}=${encodeURIComponent(plainText(values[i]))}`);
    let body: Uint8Array;
    try {
      body = await this.#puller.pull({ ...times, ...data }, signal, this.#appendsKeys ? query.join("&") : "");
    } catch (error) {
      if (error instanceof PullRefused && error.status === 404) return [];
      throw error;
    }
    return rowsOf(textOf(body)).filter((row) => fits(row, keys, values));
  }

  close(): Promise<void> {
    return this.#puller.close();
  }
}

function rowsOf(text: string): Struct[] {
  if (text.trim() === "") return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new Error("The answer is no JSON");
  }
  const rows = Array.isArray(parsed) ? parsed : [parsed];
  return rows.filter((row) => typeof row === "object" && row !== null && !Array.isArray(row)) as Struct[];
}

/** A server that does not say the key again has answered for the one that it was asked for. */
function fits(row: Struct, keys: readonly string[], values: readonly Value[]): boolean {
  return keys.every((key, i) => {
    const own = getOwn(row, key);
    if (own === undefined) return true;
    const found = keyOf(own);
    return found !== undefined && found === keyOf(values[i]);
  });
}
