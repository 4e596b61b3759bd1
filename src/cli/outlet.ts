/**
 * Standard output and standard error, which may be pipes: those take text in the background.
 * @module
 */
import type { Writable } from "node:stream";

/** Counts what a stream has not taken yet. Not every engine tells it by itself: Bun calls back an empty write at once. */
export class Outlet {
  readonly #stream: Writable;
  #pending = 0;
  #onDrained: (() => void) | undefined;

  constructor(stream: Writable) {
    this.#stream = stream;
    // A reader that went away (`weir rule ls | head -1`), or a log that nobody takes any more, must not end the agent.
    stream.on("error", () => {});
  }

  write(text: string): void {
    this.#pending++;
    this.#stream.write(text, () => {
      if (--this.#pending === 0) this.#onDrained?.();
    });
  }

  /** Resolves when the reader has everything or is gone; with `ms`, after that time at the latest. */
  drained(ms?: number): Promise<void> {
    if (this.#pending === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
      this.#onDrained = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
