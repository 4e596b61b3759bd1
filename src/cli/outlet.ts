/**
 * Standard output and standard error, which may be pipes: those take text in the background.
 * @module
 */
import type { Writable } from "node:stream";

/** A writer that can wait does so when a slow reader leaves more than this. */
const charactersAheadMax = 1_048_576;

/** Counts what a stream has not taken yet. Not every engine tells it by itself: Bun calls back an empty write at once. */
export class Outlet {
  readonly #stream: Writable;
  #pending = 0;
  #charactersPending = 0;
  #onDrained: (() => void)[] = [];

  constructor(stream: Writable) {
    this.#stream = stream;
    // A reader that went away (`weir rule ls | head -1`), or a log that nobody takes any more, must not end the agent.
    stream.on("error", () => {});
  }

  write(text: string): void {
    this.#pending++;
    this.#charactersPending += text.length;
    this.#stream.write(text, () => {
      this.#charactersPending -= text.length;
      if (--this.#pending > 0) return;
      for (const tell of this.#onDrained.splice(0)) tell();
    });
  }

  /** Undefined while the reader keeps up; else resolves as {@linkcode Outlet.drained}. */
  ready(): Promise<void> | undefined {
    return this.#charactersPending > charactersAheadMax ? this.drained() : undefined;
  }

  /** Resolves when the reader has everything or is gone; with `ms`, after that time at the latest. */
  drained(ms?: number): Promise<void> {
    if (this.#pending === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
      this.#onDrained.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
