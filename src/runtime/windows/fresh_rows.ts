/**
 * The rows of overlapping windows that no window has been handed on with yet, by their positions.
 *
 * A row of such windows may be handed on many times; it counts with the first. A window that fails does not decide over
 * its rows: others may have them too. What is forgotten without having been handed on has failed, or was in no window.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import type { NodeMetrics } from "../../telemetry/node_metrics.ts";
import type { Value } from "../../value/value.ts";

/** Rows at one position. */
interface Rows {
  at: number;
  count: number;
  /** The code of the error of the first window that failed with them. */
  code: string | undefined;
}

export class FreshRows {
  /** Ascending. What stands before `#head` is done with. */
  #rows: Rows[] = [];
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** `at` is never smaller than that of the row before. */
  add(at: number): void {
    this.#size++;
    const last = this.#rows.length > this.#head ? this.#rows[this.#rows.length - 1]! : undefined;
    if (last !== undefined && last.at === at && last.code === undefined) last.count++;
    else this.#rows.push({ at, count: 1, code: undefined });
  }

  /** A window is handed on with the rows at `from` and behind it. Returns how many they are. */
  handOn(from: number): number {
    let taken = 0;
    while (this.#rows.length > this.#head && this.#rows[this.#rows.length - 1]!.at >= from) {
      taken += this.#rows.pop()!.count;
    }
    this.#size -= taken;
    return taken;
  }

  /** A window with the rows at `from` and behind it has failed. */
  spoil(from: number, error: unknown): void {
    const code = error instanceof RowError ? error.code : "E506";
    for (let i = this.#rows.length - 1; i >= this.#head && this.#rows[i]!.at >= from; i--) this.#rows[i]!.code ??= code;
  }

  /**
   * No window will hold the rows before `from` any more. Those of windows that have failed are counted as lost; returns
   * how many the others are.
   */
  forget(from: number, metrics: NodeMetrics): number {
    let others = 0;
    while (this.#head < this.#rows.length && this.#rows[this.#head]!.at < from) {
      const { count, code } = this.#rows[this.#head++]!;
      this.#size -= count;
      if (code === undefined) others += count;
      else metrics.lose(code, count);
    }
    if (this.#head * 2 > this.#rows.length) {
      this.#rows = this.#rows.slice(this.#head);
      this.#head = 0;
    }
    return others;
  }

  /** As of operators. */
  stateBytes(): number {
    return 56 * this.#rows.length;
  }

  /** Moves everything by `delta` on the time axis. */
  shift(delta: number): void {
    for (const rows of this.#rows) rows.at += delta;
  }

  snapshot(): Value {
    return this.#rows.slice(this.#head).map(({ at, count, code }) => [at, count, code ?? null]);
  }

  restore(state: Value): void {
    this.#rows = (state as [number, number, string | null][]).map(([at, count, code]) => ({
      at,
      count,
      code: code ?? undefined,
    }));
    this.#head = 0;
    this.#size = this.#rows.reduce((sum, { count }) => sum + count, 0);
  }
}
