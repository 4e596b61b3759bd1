/**
 * Rows of a lookup in memory, found by the values of some of their columns.
 * @module
 */
import { getOwn, type Struct } from "../value/value.ts";
import { type LookupKey, lookupKey } from "./lookup_key.ts";

const none: readonly Struct[] = [];

/** Rows by the values of `columns`. A row in which one of them equals nothing, as null does, is never found. */
export class RowIndex {
  readonly #columns: readonly string[];
  readonly #rows = new Map<LookupKey, Set<Struct>>();

  constructor(columns: readonly string[], rows: Iterable<Struct> = none) {
    this.#columns = columns;
    for (const row of rows) this.add(row);
  }

  add(row: Struct): void {
    const key = this.#keyOf(row);
    if (key === undefined) return;
    const same = this.#rows.get(key);
    if (same === undefined) this.#rows.set(key, new Set([row]));
    else same.add(row);
  }

  /** Takes out a row that was added; it must be the same object with the same values. */
  remove(row: Struct): void {
    const key = this.#keyOf(row);
    const same = key === undefined ? undefined : this.#rows.get(key);
    if (same?.delete(row) === true && same.size === 0) this.#rows.delete(key!);
  }

  /** The rows of a key, in the order they were added. */
  get(key: LookupKey): readonly Struct[] {
    const same = this.#rows.get(key);
    return same === undefined ? none : [...same];
  }

  #keyOf(row: Struct): LookupKey | undefined {
    return lookupKey(this.#columns.map((name) => getOwn(row, name)));
  }
}
