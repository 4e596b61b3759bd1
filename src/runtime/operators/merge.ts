/**
 * Brings several inputs together: rows pass in the order they come; time has come as far as the slowest input says.
 * @module
 */
import type { Batch, Output, Progress } from "../operator.ts";

const notYet: Progress = { processing: -Infinity, watermark: -Infinity };

export class Merge {
  readonly #output: Output;
  readonly #progress: Progress[] = [];

  constructor(output: Output) {
    this.#output = output;
  }

  /** A further input. */
  port(): Output {
    const index = this.#progress.push(notYet) - 1;
    return {
      push: (batch: Batch) => this.#output.push(batch),
      advance: (progress: Progress) => {
        this.#progress[index] = progress;
        this.#advance();
      },
    };
  }

  #advance(): void {
    let processing = Infinity;
    let watermark = Infinity;
    for (const each of this.#progress) {
      processing = Math.min(processing, each.processing);
      watermark = Math.min(watermark, each.watermark);
    }
    if (processing > -Infinity) this.#output.advance({ processing, watermark });
  }
}
