/**
 * Gives the same rows to several operators.
 * @module
 */
import { copyOfRow } from "../../value/row.ts";
import type { Batch, Output, Progress } from "../operator.ts";

/** Operators write into the slots of their rows and set the window: each but the last gets rows of its own. */
export class Tee implements Output {
  readonly #outputs: readonly Output[];

  constructor(outputs: readonly Output[]) {
    this.#outputs = outputs;
  }

  push(batch: Batch): void {
    const last = this.#outputs.length - 1;
    for (const [i, output] of this.#outputs.entries()) {
      output.push(i === last ? batch : { rows: batch.rows.map(copyOfRow), window: batch.window });
    }
  }

  advance(progress: Progress): void {
    for (const output of this.#outputs) output.advance(progress);
  }
}
