/**
 * What one batch of a source set off, until all of it is delivered; then the source may be told.
 * @module
 */

/**
 * Counts what is still under way. It starts with one hold, its maker's own, so that it cannot complete before
 * everything that belongs to it was added.
 */
export class Delivery {
  /** What brought the batch. */
  readonly from: object;
  #pending = 1;
  readonly #done: () => void;

  constructor(from: object, done: () => void) {
    this.from = from;
    this.#done = done;
  }

  hold(): void {
    this.#pending++;
  }

  release(): void {
    if (--this.#pending === 0) this.#done();
  }
}
