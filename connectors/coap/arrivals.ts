/**
 * What has come and waits for a read, within limits.
 * @module
 */
import { Bell } from "../../src/connector/bell.ts";

/** A full queue takes nothing more, so that whoever sends is held back. */
export class Arrivals<T> {
  readonly #countMax: number;
  readonly #bytesMax: number;
  #waiting: { readonly item: T; readonly bytes: number }[] = [];
  #held = 0;
  #heldBytes = 0;
  #failure: unknown;
  #isRoused = false;
  readonly #bell = new Bell();

  /** The limits hold for all that was not released; one item may be larger. */
  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax;
    this.#bytesMax = bytesMax;
  }

  get hasRoom(): boolean {
    return this.#held < this.#countMax && (this.#held === 0 || this.#heldBytes < this.#bytesMax);
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** False when there is no room. */
  push(item: T, bytes: number): boolean {
    if (this.#held >= this.#countMax || this.#held > 0 && this.#heldBytes + bytes > this.#bytesMax) return false;
    this.#held++;
    this.#heldBytes += bytes;
    this.#waiting.push({ item, bytes });
    this.#bell.ring();
    return true;
  }

  /** A `take` that waits gives nothing, now or when it comes. So does one after there was no room. */
  rouse(): void {
    this.#isRoused = true;
    this.#bell.ring();
  }

  /** The next `take` that finds nothing throws `error`. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.#bell.ring();
  }

  /**
   * All that waits, as soon as there is something, or nothing when it is roused; `release` makes room again.
   *
   * @throws the reason of the signal, or what it was failed with
   */
  async take(signal: AbortSignal): Promise<{ readonly items: T[]; readonly release: () => void }> {
    signal.throwIfAborted();
    while (this.#waiting.length === 0 && !this.#isRoused) {
      if (this.#failure !== undefined) throw this.#failure;
      await this.#bell.wait(signal);
    }
    this.#isRoused = false;
    const taken = this.#waiting;
    this.#waiting = [];
    return {
      items: taken.map(({ item }) => item),
      release: () => {
        const wasFull = !this.hasRoom;
        this.#held -= taken.length;
        for (const { bytes } of taken.splice(0)) this.#heldBytes -= bytes;
        if (wasFull) this.rouse();
      },
    };
  }
}
