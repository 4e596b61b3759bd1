/**
 * How long to wait before the next attempt to connect.
 * @module
 */

/** Doubles from `min` to `max` milliseconds, with jitter so that a thousand gateways do not come back at once. */
export class Backoff {
  readonly #min: number;
  readonly #max: number;
  readonly #random: () => number;
  #attempts = 0;

  constructor(min: number, max: number, random: () => number) {
    this.#min = min;
    this.#max = max;
    this.#random = random;
  }

  /** The next delay: between half of and the whole of its step. */
  next(): number {
    const step = Math.min(this.#max, this.#min * 2 ** this.#attempts);
    if (step < this.#max) this.#attempts++;
    return this.#jitter(step);
  }

  /** For trouble that will not heal by itself: the longest delay. */
  longest(): number {
    return this.#jitter(this.#max);
  }

  reset(): void {
    this.#attempts = 0;
  }

  #jitter(step: number): number {
    return Math.round(step * (0.5 + this.#random() / 2));
  }
}
