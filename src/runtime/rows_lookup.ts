/**
 * A lookup table whose content is at hand: rows of a file, or of a test.
 * @module
 */
import { type LookupKey, lookupKey } from "../connector/lookup_key.ts";
import { getOwn, type Struct } from "../value/value.ts";
import type { KeyedLookup } from "./lookup_table.ts";

export class RowsLookup {
  readonly #rows: Struct[] = [];
  /** Counts up with each change, so that indexes know when they are old. */
  #version = 0;

  add(rows: readonly Struct[]): void {
    for (const row of rows) this.#rows.push(row);
    this.#version++;
  }

  /** Answers by the columns `keys`, in the order of the rows. */
  keyed(keys: readonly string[]): KeyedLookup {
    let version = -1;
    let index = new Map<LookupKey, Struct[]>();
    const nothing: readonly Struct[] = [];
    return {
      find: (values) => {
        if (version !== this.#version) {
          version = this.#version;
          index = new Map();
          for (const row of this.#rows) {
            const key = lookupKey(keys.map((name) => getOwn(row, name)));
            if (key === undefined) continue;
            const known = index.get(key);
            if (known === undefined) index.set(key, [row]);
            else known.push(row);
          }
        }
        const key = lookupKey(values);
        return key === undefined ? nothing : index.get(key) ?? nothing;
      },
    };
  }
}
