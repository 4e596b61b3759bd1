/**
 * How many rows a rule takes at once, so that it gives way to others every few milliseconds, and what took too long.
 *
 * Operators run to completion, so rows are given to them in chunks. A chunk is made as large as fits into a turn at the
 * speed of the one before. What cannot be foreseen, such as an expression that gets slow all of a sudden, is found
 * afterwards: it is counted, and where one chunk took longer than the rule may, the rule has to be stopped.
 *
 * ```ts ignore
 * const pace = new WorkPace({ batchTimeMax: 10_000 });
 * const started = performance.now();
 * pipeline.push(rows.slice(from, from + pace.chunkRows), now);
 * const problem = pace.took(pace.chunkRows, performance.now() - started);
 * ```
 * @module
 */
import { diagnostic, DiagnosticError } from "../../diagnostics/diagnostic.ts";

/** A rule gives way to others after so many milliseconds. */
export const turnMs = 8;

/** A chunk is made so that it takes this long, in milliseconds. */
const chunkMs = 4;

/** Little is known of the first chunk. */
const firstChunkRows = 16;

/** Speed may fall from one row to the next: a chunk of this size is bearable at 100 µs a row, and long enough at 1 µs. */
const chunkRowsMax = 1000;

/** Work that nothing interrupted for so many milliseconds was felt by others. */
const slowMs = 100;

export class WorkPace {
  /** How many rows to push next. */
  chunkRows = firstChunkRows;
  /** How often a chunk took longer than 100 ms. */
  slowBatches = 0;
  /** Milliseconds. */
  longestMs = 0;
  readonly #batchTimeMax: number;

  /** @param batchTimeMax milliseconds that a chunk may take; 0 for any time */
  constructor(batchTimeMax: number) {
    this.#batchTimeMax = batchTimeMax;
  }

  /**
   * Tells that `rows` rows took `ms` milliseconds; no rows where only time went on. Returns why the rule has to be
   * stopped, if it has to.
   */
  took(rows: number, ms: number): DiagnosticError | undefined {
    if (rows > 0) this.chunkRows = fitting(rows, ms, this.chunkRows);
    if (ms > this.longestMs) this.longestMs = ms;
    if (ms > slowMs) this.slowBatches++;
    const max = this.#batchTimeMax;
    return max > 0 && ms > max ? tooSlow(rows, ms, max) : undefined;
  }
}

/** It grows step by step, since a few rows may say little of those that follow, and shrinks at once. */
function fitting(rows: number, ms: number, before: number): number {
  const fit = Math.floor((rows * chunkMs) / Math.max(ms, 0.01));
  return Math.max(1, Math.min(fit, 4 * before, chunkRowsMax));
}

function tooSlow(rows: number, ms: number, max: number): DiagnosticError {
  const what = rows === 0 ? "What came due" : `A batch of ${rows} row${rows === 1 ? "" : "s"}`;
  return new DiagnosticError([
    diagnostic("E514", `${what} took ${Math.round(ms)} ms, and batchTimeMax allows ${max} ms`, {
      hint:
        "nothing else could run meanwhile: look for an expression that is slow, shorten the window, or raise batchTimeMax",
    }),
  ]);
}
