/**
 * A lookup table over a topic of the memory bus: the last row of each key.
 *
 * It takes what is published at once and makes no writer wait. Other columns than the key are found through an index,
 * which the first question by them builds and each change keeps up.
 * @module
 */
import type { InferOutput } from "valibot";
import type { OpenContext } from "../../src/connector/declare.ts";
import { keyOf, type LookupKey, lookupKey } from "../../src/connector/lookup_key.ts";
import type { Lookup, Struct, Value } from "../../src/connector/lookup.ts";
import { Recency, type RecencyItem } from "../../src/connector/recency.ts";
import { RowIndex } from "../../src/connector/row_index.ts";
import { getOwn } from "../../src/value/value.ts";
import type { BusItem, BusReader, MemoryBus } from "./bus.ts";
import type { lookupSettings } from "./mod.ts";

/** Each index costs memory for every row; questions beyond look at all rows. */
const indexesMax = 8;

interface Kept extends RecencyItem {
  readonly key: LookupKey;
  row: Struct;
}

const none: readonly Struct[] = [];

export class MemoryLookup implements Lookup, BusReader {
  readonly filter: string;
  readonly owner: string;
  readonly isFull = false;
  readonly #bus: MemoryBus;
  readonly #log: OpenContext["log"];
  readonly #key: string;
  readonly #rowsMax: number;
  readonly #rows = new Map<LookupKey, Kept>();
  readonly #byWrite = new Recency<Kept>();
  readonly #indexes = new Map<string, RowIndex>();
  #toldKeyless = false;
  #toldFull = false;

  constructor(settings: InferOutput<typeof lookupSettings>, context: OpenContext<MemoryBus>) {
    this.filter = settings.datasource;
    this.owner = context.name;
    this.#bus = context.connection;
    this.#log = context.log;
    this.#key = settings.key;
    this.#rowsMax = settings.rowsMax;
    this.#bus.addReader(this);
  }

  // ---------------------------------------------------------------- rows come in

  push({ topic, row, change }: BusItem): void {
    const key = keyOf(getOwn(row, this.#key) ?? change?.key);
    if (key === undefined) return this.#keyless(topic);
    switch (change?.kind) {
      case "delete":
        return this.#remove(key);
      case "update":
        if (this.#rows.has(key)) this.#put(key, row);
        return;
      default:
        this.#put(key, row);
    }
  }

  /** A lookup is never full. */
  room(): Promise<void> {
    return Promise.resolve();
  }

  #put(key: LookupKey, row: Struct): void {
    const before = this.#rows.get(key);
    if (before === undefined) {
      const kept: Kept = { key, row };
      this.#rows.set(key, kept);
      this.#byWrite.add(kept);
    } else {
      for (const index of this.#indexes.values()) index.remove(before.row);
      before.row = row;
      this.#byWrite.touch(before);
    }
    for (const index of this.#indexes.values()) index.add(row);
    if (this.#rows.size <= this.#rowsMax) return;
    this.#remove(this.#byWrite.oldest!.key);
    if (!this.#toldFull) this.#log.warn("A lookup table is full and forgets its oldest rows", { rows: this.#rowsMax });
    this.#toldFull = true;
  }

  #remove(key: LookupKey): void {
    const kept = this.#rows.get(key);
    if (kept === undefined) return;
    this.#rows.delete(key);
    this.#byWrite.remove(kept);
    for (const index of this.#indexes.values()) index.remove(kept.row);
  }

  #keyless(topic: string): void {
    if (!this.#toldKeyless) this.#log.warn("A row without key is not in the lookup table", { topic, key: this.#key });
    this.#toldKeyless = true;
  }

  // ---------------------------------------------------------------- rows are found

  find(keys: readonly string[], values: readonly Value[]): readonly Struct[] {
    const at = keys.indexOf(this.#key);
    if (at === -1) return this.#findByOthers(keys, values);
    const key = keyOf(values[at]);
    const row = key === undefined ? undefined : this.#rows.get(key)?.row;
    if (row === undefined) return none;
    const fits = keys.length === 1 || lookupKey(keys.map((name) => getOwn(row, name))) === lookupKey(values);
    return fits ? [row] : none;
  }

  #findByOthers(keys: readonly string[], values: readonly Value[]): readonly Struct[] {
    const key = lookupKey(values);
    if (key === undefined) return none;
    const name = JSON.stringify(keys);
    let index = this.#indexes.get(name);
    if (index === undefined) {
      index = new RowIndex(keys, [...this.#rows.values()].map(({ row }) => row));
      if (this.#indexes.size < indexesMax) this.#indexes.set(name, index);
    }
    return index.get(key);
  }

  close(): Promise<void> {
    this.#bus.removeReader(this);
    this.#rows.clear();
    this.#indexes.clear();
    return Promise.resolve();
  }
}
