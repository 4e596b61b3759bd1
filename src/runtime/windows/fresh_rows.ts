/**
 * The rows of overlapping windows that no window has been handed on with yet, by their positions.
 *
 * A row of such a window may be handed on many times; it counts with the first. What is forgotten before was in none.
 * @module
 */
import type { Value } from "../../value/value.ts";

export class FreshRows {
  /** Ascending; rows at one position are counted together. What stands before `#head` is done with. */
  #positions: number[] = [];
  #counts: number[] = [];
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** `at` is never smaller than that of the row before. */
  add(at: number): void {
    this.#size++;
    const last = this.#positions.length - 1;
    if (last >= this.#head && this.#positions[last] === at) {
      this.#counts[last]!++;
      return;
    }
    this.#positions.push(at);
    this.#counts.push(1);
  }

  /** Takes out the rows at `from` and behind it: a window is handed on with them. Returns how many they are. */
  takeFrom(from: number): number {
    let taken = 0;
    while (this.#positions.length > this.#head && this.#positions[this.#positions.length - 1]! >= from) {
      this.#positions.pop();
      taken += this.#counts.pop()!;
    }
    this.#size -= taken;
    return taken;
  }

  /** Takes out the rows before `from`, that no window will hold any more. Returns how many they are. */
  takeBefore(from: number): number {
    if (this.#size === 0) return 0;
    let taken = 0;
    while (this.#head < this.#positions.length && this.#positions[this.#head]! < from) {
      taken += this.#counts[this.#head++]!;
    }
    this.#size -= taken;
    if (this.#head * 2 > this.#positions.length) {
      this.#positions = this.#positions.slice(this.#head);
      this.#counts = this.#counts.slice(this.#head);
      this.#head = 0;
    }
    return taken;
  }

  /** Moves everything by `delta` on the time axis. */
  shift(delta: number): void {
    for (let i = this.#head; i < this.#positions.length; i++) this.#positions[i]! += delta;
  }

  snapshot(): Value {
    return [this.#positions.slice(this.#head), this.#counts.slice(this.#head)];
  }

  restore(state: Value): void {
    [this.#positions, this.#counts] = state as [number[], number[]];
    this.#head = 0;
    this.#size = this.#counts.reduce((sum, count) => sum + count, 0);
  }
}
