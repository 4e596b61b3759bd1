/**
 * A small random generator for property tests: the same seed gives the same run on every engine.
 * @module
 */

/** Draws for tests; a failing test names its seed, which repeats it. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to 2^32 - 1 (mulberry32). */
  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number {
    return Math.floor((this.uint32() / 2 ** 32) * limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** Any finite float, of every magnitude: random bits, not a random fraction. */
  float(): number {
    const view = new DataView(new ArrayBuffer(8));
    view.setUint32(0, this.uint32());
    view.setUint32(4, this.uint32());
    const value = view.getFloat64(0);
    return Number.isFinite(value) ? value : this.float();
  }

  /** Text of up to 11 characters, with controls, quotes, several planes and lone surrogates among them. */
  text(): string {
    const pool = [
      "a",
      "b",
      "Z",
      "0",
      " ",
      '"',
      "\\",
      "\n",
      "\u0000",
      "<",
      "&",
      "é",
      "\u2028",
      "\uffee",
      "😀",
      "\ud83d",
    ];
    return Array.from({ length: this.below(12) }, () => this.pick(pool)).join("");
  }
}
