/**
 * What comes to an operator while it waits for something from elsewhere: batches stand in line, and so does time, so that
 * all of it goes on in the order in which it came.
 *
 * ```ts ignore
 * const line = new WaitingLine((batch) => ask(batch).then((answer) => () => output.push(answer)), context, output);
 * line.push(batch);
 * await line.settled();
 * ```
 * @module
 */
import { sizeOfList, sizeOfRows } from "../limits/state_size.ts";
import { type Batch, itemsOf, type OperatorContext, type Output, type Progress } from "../operator.ts";

type Waiting = { readonly kind: "batch"; readonly batch: Batch } | {
  readonly kind: "advance";
  readonly progress: Progress;
};

/** Hands a batch on: at once, or, when it has to wait, by what the promise resolves to. */
export type Process = (batch: Batch) => Promise<() => void> | undefined;

export class WaitingLine {
  readonly #process: Process;
  readonly #context: OperatorContext;
  readonly #output: Output;
  /** What waits, without the first. */
  #line: Waiting[] = [];
  #waiting: Promise<void> | undefined;
  #heldItems = 0;
  #isClosed = false;

  constructor(process: Process, context: OperatorContext, output: Output) {
    this.#process = process;
    this.#context = context;
    this.#output = output;
  }

  push(batch: Batch): void {
    this.#heldItems += itemsOf(batch);
    if (this.#waiting === undefined) this.#begin(batch);
    else this.#line.push({ kind: "batch", batch });
  }

  advance(progress: Progress): void {
    if (this.#waiting === undefined) this.#output.advance(progress);
    else this.#line.push({ kind: "advance", progress });
  }

  /** As {@linkcode Operator.settled}. */
  settled(): Promise<void> | undefined {
    return this.#waiting;
  }

  /** Items that have not been handed on. */
  held(): number {
    return this.#heldItems;
  }

  /** As {@linkcode Operator.stateBytes}. */
  stateBytes(): number {
    if (this.#line.length === 0) return 0;
    return sizeOfList(this.#line, (each) => each.kind === "batch" ? sizeOfRows(each.batch.rows) : 0);
  }

  /** Nothing that waits goes on any more, whatever the answer is: it has been counted as given up. */
  close(): void {
    this.#isClosed = true;
    this.#line = [];
  }

  #begin(batch: Batch): void {
    const pending = this.#process(batch);
    if (pending === undefined) {
      this.#heldItems -= itemsOf(batch);
      return;
    }
    this.#waiting = pending.then((finish) => {
      if (!this.#isClosed) finish();
    }).catch((error) => {
      // A rejection that nobody handles would end the agent.
      if (!this.#isClosed) this.#context.fail(error, itemsOf(batch));
    }).then(() => {
      this.#waiting = undefined;
      if (this.#isClosed) return undefined;
      this.#heldItems -= itemsOf(batch);
      this.#workOff();
      // Another one may have begun to wait.
      return this.#waiting;
    });
  }

  /** Stops at the first that waits again: the rest stays in line behind it. */
  #workOff(): void {
    let done = 0;
    while (done < this.#line.length && this.#waiting === undefined) {
      const next = this.#line[done++]!;
      if (next.kind === "batch") this.#begin(next.batch);
      else this.#output.advance(next.progress);
    }
    this.#line.splice(0, done);
  }
}
