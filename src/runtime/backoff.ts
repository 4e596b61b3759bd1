/**
 * How long to wait before the next try.
 * @module
 */

const firstMs = 100;
const longestMs = 10_000;

/** 100 ms, doubled up to 10 s, each shortened at random by up to a quarter so that many do not try in step. */
export class Backoff {
  #next = firstMs;
  readonly #random: () => number;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** The wait before the next try, in milliseconds. */
  next(): number {
    const ms = this.#next;
    this.#next = Math.min(longestMs, this.#next * 2);
    return ms * (1 - this.#random() / 4);
  }

  /** After a success the next wait is the shortest again. */
  reset(): void {
    this.#next = firstMs;
  }
}
