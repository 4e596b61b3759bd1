/**
 * A lookup table over configured rows.
 * @module
 */
import type { InferOutput } from "valibot";
import { lookupKey } from "../../src/connector/lookup_key.ts";
import type { Lookup, Struct, Value } from "../../src/connector/lookup.ts";
import { RowIndex } from "../../src/connector/row_index.ts";
import type { lookupSettings } from "./mod.ts";

export class SimulatorLookup implements Lookup {
  readonly #rows: readonly Struct[];
  /** As many as there are combinations of columns that rules join by. */
  readonly #indexes = new Map<string, RowIndex>();

  constructor(settings: InferOutput<typeof lookupSettings>) {
    this.#rows = settings.data as Struct[];
  }

  find(keys: readonly string[], values: readonly Value[]): readonly Struct[] {
    const key = lookupKey(values);
    if (key === undefined) return [];
    const name = JSON.stringify(keys);
    let index = this.#indexes.get(name);
    if (index === undefined) {
      index = new RowIndex(keys, this.#rows);
      this.#indexes.set(name, index);
    }
    return index.get(key);
  }

  close(): Promise<void> {
    this.#indexes.clear();
    return Promise.resolve();
  }
}
