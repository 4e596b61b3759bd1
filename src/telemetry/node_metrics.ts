/**
 * Counters of one node of a rule (a source, an operator, a sink): what the status JSON, the metrics and the ledger show.
 *
 * `recordsIn` and `recordsOut` count items: independent rows, lists of windows (one item each), payloads, messages.
 * Beside them stands what became of the items that did not go on; who decides over an item counts it at that moment, so
 * that the ledger can hold the one against the other.
 * @module
 */

export class NodeMetrics {
  recordsIn = 0;
  /** As `recordsIn`, with every row of a list: windows take lists apart. */
  rowsIn = 0;
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
  /** Items left out for reasons that are no errors, by reason; late rows are among them. */
  readonly dropped = new Map<string, number>();
  /** Items lost by an error, by its code or reason. An exception that loses nothing, such as a retry, is not here. */
  readonly failedBy = new Map<string, number>();
  /** Items that the statement leaves out: a condition does not hold for them, no window takes them. */
  filtered = 0;
  /**
   * Items that have gone into what the node gave, of nodes that do not give one item for each: rows that windows have
   * handed on, rows for which a switch has a case.
   */
  passed = 0;
  /** Items that were held when the counting began: restored from a checkpoint, or found in an outbox. */
  carried = 0;
  /** Messages put aside for somebody to look at. */
  dead = 0;

  #timedMs = 0;
  #timedItems = 0;

  /** Begins to count anew, with so many items that are held already. */
  begin(carried: number): void {
    this.recordsIn = 0;
    this.rowsIn = 0;
    this.recordsOut = 0;
    this.processed = 0;
    this.exceptions = 0;
    this.lastException = "";
    this.lastExceptionTime = 0;
    this.lastInvocation = 0;
    this.latencyUs = 0;
    this.dropped.clear();
    this.failedBy.clear();
    this.filtered = 0;
    this.passed = 0;
    this.carried = carried;
    this.dead = 0;
    this.#timedMs = 0;
    this.#timedItems = 0;
  }

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

  /** Something went wrong, whether or not it loses anything. */
  fail(message: string, time: number): void {
    this.exceptions++;
    this.lastException = message;
    this.lastExceptionTime = time;
  }

  /** So many items are lost by an error. `reason` is its code, or a few words that do not change with the item. */
  lose(reason: string, count: number): void {
    if (count > 0) this.failedBy.set(reason, (this.failedBy.get(reason) ?? 0) + count);
  }

  /** Of all reasons. */
  get droppedTotal(): number {
    return totalOf(this.dropped);
  }

  /** Of all reasons. */
  get failedTotal(): number {
    return totalOf(this.failedBy);
  }

  drop(reason: string, count: number): void {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + count);
  }
}

function totalOf(counts: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}
