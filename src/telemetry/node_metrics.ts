/**
 * Counters of one node of a rule (a source, an operator, a sink): what the status JSON and the metrics show.
 * @module
 */

export class NodeMetrics {
  recordsIn = 0;
  recordsOut = 0;
  /** Items completed, whatever came of them. */
  processed = 0;
  exceptions = 0;
  lastException = "";
  /** Unix milliseconds, 0 if never. */
  lastExceptionTime = 0;
  /** Unix milliseconds, 0 if never. */
  lastInvocation = 0;
  /** Of the latest batch, microseconds. */
  latencyUs = 0;
  /** Items waiting now. */
  bufferLength = 0;
  /** Rows left out for reasons that are no errors, by reason. */
  readonly dropped = new Map<string, number>();

  #timedMs = 0;
  #timedItems = 0;

  /** The time that one batch of so many items took, milliseconds. Not every batch need be timed. */
  took(ms: number, items: number): void {
    this.latencyUs = Math.round(ms * 1000);
    this.#timedMs += ms;
    this.#timedItems += items;
  }

  /** All time spent, milliseconds, taking the items that were not timed to be like those that were. */
  get spentMs(): number {
    return this.#timedItems === 0 ? 0 : this.#timedMs * (Math.max(this.processed, this.#timedItems) / this.#timedItems);
  }

  fail(message: string, time: number): void {
    this.exceptions++;
    this.lastException = message;
    this.lastExceptionTime = time;
  }

  /** Of all reasons. */
  get droppedTotal(): number {
    let total = 0;
    for (const count of this.dropped.values()) total += count;
    return total;
  }

  drop(reason: string, count: number): void {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + count);
  }
}
