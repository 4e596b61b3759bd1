/**
 * Where rows enter a stateful step from something that cannot be computed again: there they are recorded, and there a
 * recovery gives them back.
 *
 * A step that gets its rows from another stateful step, with nothing between that asks the outside, needs no tap: the
 * one before gives the same rows again.
 * @module
 */
import type { Batch, Output, Progress } from "../operator.ts";

/** Takes what is recorded; while it replays, taps let nothing through but what they are given back. */
export interface Recorder {
  readonly replaying: boolean;
  record(tap: number, batch: Batch): void;
}

export class Tap implements Output {
  /** Tells the tap from others after a restart; see `planKeys`. */
  readonly key: string;
  readonly #recorder: Recorder;
  readonly #output: Output;
  /** Its place in the list of taps; undefined for one that is not needed. */
  #index: number | undefined;

  constructor(key: string, recorder: Recorder, output: Output) {
    this.key = key;
    this.#recorder = recorder;
    this.#output = output;
  }

  /** Makes it record. */
  activate(index: number): void {
    this.#index = index;
  }

  push(batch: Batch): void {
    if (this.#index !== undefined) {
      if (this.#recorder.replaying) return;
      this.#recorder.record(this.#index, batch);
    }
    this.#output.push(batch);
  }

  /** Gives back what was recorded. */
  replay(batch: Batch): void {
    this.#output.push(batch);
  }

  advance(progress: Progress): void {
    this.#output.advance(progress);
  }
}

/** Keeps what a recovery computes from what asks the outside, and from the results: both have had it. */
export class Gate implements Output {
  readonly #recorder: Recorder;
  readonly #output: Output;

  constructor(recorder: Recorder, output: Output) {
    this.#recorder = recorder;
    this.#output = output;
  }

  push(batch: Batch): void {
    if (!this.#recorder.replaying) this.#output.push(batch);
  }

  advance(progress: Progress): void {
    this.#output.advance(progress);
  }
}
