/**
 * How often something may happen: some times at once, and then so many times a minute.
 *
 * @example
 * ```ts
 * const allowance = new Allowance(2, 1);
 * allowance.take(0); // true
 * allowance.take(0); // true
 * allowance.take(0); // false
 * allowance.take(60_000); // true
 * ```
 * @module
 */
export class Allowance {
  readonly #max: number;
  readonly #perMinute: number;
  #left: number;
  #atMs: number | undefined;

  constructor(max: number, perMinute: number) {
    this.#max = max;
    this.#perMinute = perMinute;
    this.#left = max;
  }

  /** True when it may happen at this time, which is counted. A clock that was set back only gives nothing. */
  take(nowMs: number): boolean {
    const passedMs = Math.max(0, nowMs - (this.#atMs ?? nowMs));
    this.#atMs = nowMs;
    this.#left = Math.min(this.#max, this.#left + passedMs / 60_000 * this.#perMinute);
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
