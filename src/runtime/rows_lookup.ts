/**
 * A lookup table whose content is at hand: rows of a file, or of a test.
 * @module
 */
import { lookupKey } from "../connector/lookup_key.ts";
import { RowIndex } from "../connector/row_index.ts";
import type { Struct } from "../value/value.ts";
import type { KeyedLookup } from "./lookup_table.ts";

const nothing: readonly Struct[] = [];

export class RowsLookup {
  readonly #rows: Struct[] = [];
  readonly #indexes: RowIndex[] = [];

  add(rows: readonly Struct[]): void {
    for (const row of rows) {
      this.#rows.push(row);
      for (const index of this.#indexes) index.add(row);
    }
  }

  /** Answers by the columns `keys`, in the order of the rows. */
  keyed(keys: readonly string[]): KeyedLookup {
    const index = new RowIndex(keys, this.#rows);
    this.#indexes.push(index);
    return {
      find: (values) => {
        const key = lookupKey(values);
        return key === undefined ? nothing : index.get(key);
      },
    };
  }
}
