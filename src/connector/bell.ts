/**
 * Wakes a `read` that waits for what its peer brings.
 * @module
 */

/** For one that waits at a time. A ring that nobody waits for is lost: look whether there is something first. */
export class Bell {
  #wake: (() => void) | undefined;

  get isAwaited(): boolean {
    return this.#wake !== undefined;
  }

  ring(): void {
    this.#wake?.();
  }

  /** Until the next ring; rejects with the reason of the signal. It leaves no listener behind. */
  wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const abort = () => {
        this.#wake = undefined;
        reject(signal.reason);
      };
      this.#wake = () => {
        this.#wake = undefined;
        signal.removeEventListener("abort", abort);
        resolve();
      };
      signal.addEventListener("abort", abort, { once: true });
    });
  }
}
