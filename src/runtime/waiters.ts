/**
 * Those who wait for one event.
 * @module
 */

export class Waiters {
  #waiting: (() => void)[] = [];

  /** Resolves at the next {@linkcode wake}. */
  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  wake(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
