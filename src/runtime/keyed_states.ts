/**
 * The external state that `get_keyed_state()` reads: JSON values by key, set through the REST interface and kept by the
 * store. Rules see a change with their next row.
 * @module
 */
import { JsonSyntaxError, parseJsonPrecisely } from "../codec/json_parse.ts";
import { fail } from "../diagnostics/diagnostic.ts";
import type { Store } from "../store/store.ts";
import type { Value } from "../value/value.ts";

const keyCharsMax = 256;

export class KeyedStates {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** All keys, in byte order. */
  keys(): string[] {
    return this.#store.list("keyed_state").map(({ name }) => name);
  }

  /** The value under `key`, whole numbers as ints; undefined when there is none. */
  get(key: string): Value {
    const text = this.#store.get("keyed_state", key);
    return text === undefined ? undefined : parseJsonPrecisely(text, "int64");
  }

  /**
   * The JSON text under `key`, as it was given.
   *
   * @throws {DiagnosticError} E701 when there is none.
   */
  text(key: string): string {
    return this.#store.get("keyed_state", key) ?? missing(key);
  }

  /**
   * Sets or replaces.
   *
   * @throws {DiagnosticError} E703 for a text that is not JSON, E704 for an empty or overlong key.
   */
  put(key: string, text: string): void {
    if (key === "" || key.length > keyCharsMax) fail("E704", `A key has 1 to ${keyCharsMax} characters`);
    try {
      parseJsonPrecisely(text, "int64");
    } catch (error) {
      if (!(error instanceof JsonSyntaxError)) throw error;
      fail("E703", `The value of a state is JSON: ${error.message}`);
    }
    this.#store.put("keyed_state", key, text);
  }

  /** @throws {DiagnosticError} E701 when there is none. */
  delete(key: string): void {
    if (!this.#store.delete("keyed_state", key)) missing(key);
  }
}

function missing(key: string): never {
  fail("E701", `No state is kept under "${key}"`);
}
