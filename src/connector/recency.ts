/**
 * What was touched longest ago, in constant time.
 *
 * A Map or Set in insertion order would tell it too, but finding its first entry gets slow once many before it have been
 * taken out.
 * @module
 */

/** Base of what is kept in order. An item is in one order at most, and nobody else writes these. */
export interface RecencyItem {
  older?: this | undefined;
  newer?: this | undefined;
}

/** Items in the order they were added. */
export class Recency<Item extends RecencyItem> {
  #oldest: Item | undefined;
  #newest: Item | undefined;

  get oldest(): Item | undefined {
    return this.#oldest;
  }

  /** Adds an item that is not there, as the newest. */
  add(item: Item): void {
    item.older = this.#newest;
    item.newer = undefined;
    if (this.#newest === undefined) this.#oldest = item;
    else this.#newest.newer = item;
    this.#newest = item;
  }

  /** Takes out an item that is there. */
  remove(item: Item): void {
    const { older, newer } = item;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    item.older = undefined;
    item.newer = undefined;
  }

  /** Makes an item that is there the newest. */
  touch(item: Item): void {
    if (item === this.#newest) return;
    this.remove(item);
    this.add(item);
  }
}
