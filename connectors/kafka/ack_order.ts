/**
 * How far a consumer group may be told that it is: behind the batches that are done with, and before the first that is
 * not, in whatever order they get done.
 * @module
 */
import type { Offsets } from "./position.ts";

interface Entry {
  readonly offsets: Offsets;
  done: boolean;
}

export class AckOrder {
  #entries: Entry[] = [];

  /** A batch that was handed out, with the offsets behind it. Gives what to call when it is done with. */
  add(offsets: Offsets, onProgress: (offsets: Offsets) => void): () => void {
    const entry: Entry = { offsets, done: false };
    this.#entries.push(entry);
    return () => {
      entry.done = true;
      const first = this.#entries.findIndex(({ done }) => !done);
      const finished = this.#entries.splice(0, first === -1 ? this.#entries.length : first);
      if (finished.length === 0) return;
      const progress = new Map<number, bigint>();
      for (const { offsets } of finished) for (const [partition, offset] of offsets) progress.set(partition, offset);
      onProgress(progress);
    };
  }
}
