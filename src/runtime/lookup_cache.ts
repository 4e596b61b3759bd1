/**
 * The cache of a lookup table: what the store answered, kept for as long as the user allows.
 *
 * Answers are kept by key columns, key values and wanted columns; values that `=` calls equal are one key. The number of
 * kept rows is bounded: those that were asked for longest ago make room. Time is a parameter, so that the cache lives in
 * whatever clock the rule lives in.
 *
 * @example
 * ```ts
 * const cache = new LookupCache({ ttlMs: 60_000, missingKeys: false });
 * const byId = cache.section(["id"], "all");
 * const key = lookupKey([1n])!;
 * byId.get(key, now) ?? byId.put(key, await askTheStore(), now);
 * ```
 * @module
 */
import type { LookupColumns } from "../connector/lookup.ts";
import type { LookupKey } from "../connector/lookup_key.ts";
import { Recency, type RecencyItem } from "../connector/recency.ts";
import type { Struct } from "../value/value.ts";

export interface LookupCacheSettings {
  /** How long an answer is good, milliseconds; 0 is for ever. */
  readonly ttlMs: number;
  /** Whether "no rows" is kept too. */
  readonly missingKeys: boolean;
}

/** The rows a cache keeps; an answer without rows counts as one. */
export const cachedRowsMax = 10_000;

interface Entry extends RecencyItem {
  readonly key: LookupKey;
  readonly rows: readonly Struct[];
  /** Unix milliseconds. */
  readonly stored: number;
  /** The map it stands in. */
  readonly home: Map<LookupKey, Entry>;
}

/** Answers for the same key columns and wanted columns. */
export interface CacheSection {
  /** The answer kept for `key`, or undefined. `now` is in Unix milliseconds. */
  get(key: LookupKey, now: number): readonly Struct[] | undefined;
  /** Keeps an answer, unless the settings or its size forbid it. Returns it. */
  put(key: LookupKey, rows: readonly Struct[], now: number): readonly Struct[];
}

export class LookupCache {
  readonly #settings: LookupCacheSettings;
  readonly #rowsMax: number;
  /** As many as there are ways to ask in rules. */
  readonly #sections = new Map<string, CacheSection>();
  /** All entries by when they were used. */
  readonly #byUse = new Recency<Entry>();
  #rows = 0;
  /** Answers given from the cache. */
  hits = 0;
  /** Questions that went on to the store. */
  misses = 0;

  constructor(settings: LookupCacheSettings, rowsMax: number = cachedRowsMax) {
    this.#settings = settings;
    this.#rowsMax = rowsMax;
  }

  /** The rows kept now; an answer without rows counts as one. */
  get rows(): number {
    return this.#rows;
  }

  /** The part for one way to ask. Asking for it again gives the same one. */
  section(keys: readonly string[], columns: LookupColumns): CacheSection {
    const name = JSON.stringify([keys, columns === "all" ? columns : [...columns].sort()]);
    let section = this.#sections.get(name);
    if (section === undefined) {
      const home = new Map<LookupKey, Entry>();
      section = {
        get: (key, now) => this.#get(home, key, now),
        put: (key, rows, now) => this.#put(home, key, rows, now),
      };
      this.#sections.set(name, section);
    }
    return section;
  }

  #get(home: Map<LookupKey, Entry>, key: LookupKey, now: number): readonly Struct[] | undefined {
    const entry = home.get(key);
    if (entry !== undefined && this.#isGood(entry, now)) {
      this.hits++;
      this.#byUse.touch(entry);
      return entry.rows;
    }
    this.misses++;
    if (entry !== undefined) this.#remove(entry);
    return undefined;
  }

  #put(home: Map<LookupKey, Entry>, key: LookupKey, rows: readonly Struct[], now: number): readonly Struct[] {
    const before = home.get(key);
    if (before !== undefined) this.#remove(before);
    if ((rows.length === 0 && !this.#settings.missingKeys) || sizeOf(rows) > this.#rowsMax) return rows;
    const entry: Entry = { key, rows, stored: now, home };
    home.set(key, entry);
    this.#byUse.add(entry);
    this.#rows += sizeOf(rows);
    while (this.#rows > this.#rowsMax) this.#remove(this.#byUse.oldest!);
    return rows;
  }

  /** A clock that was set back must not make an answer good for longer. */
  #isGood({ stored }: Entry, now: number): boolean {
    const { ttlMs } = this.#settings;
    return ttlMs === 0 || (now >= stored && now - stored < ttlMs);
  }

  #remove(entry: Entry): void {
    entry.home.delete(entry.key);
    this.#byUse.remove(entry);
    this.#rows -= sizeOf(entry.rows);
  }
}

function sizeOf(rows: readonly Struct[]): number {
  return Math.max(1, rows.length);
}
