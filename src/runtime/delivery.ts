/**
 * What one batch of a source set off, until all of it is delivered; then the source may be told.
 * @module
 */

/**
 * Counts what is still under way. It starts with one hold, its maker's own, so that it cannot complete before
 * everything that belongs to it was added.
 */
export class Delivery {
  #pending = 1;
  readonly #done: () => void;

  constructor(done: () => void) {
    this.#done = done;
  }

  hold(): void {
    this.#pending++;
  }

  release(): void {
    if (--this.#pending === 0) this.#done();
  }
}
