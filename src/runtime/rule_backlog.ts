/**
 * Batches that came while a rule could not take them.
 *
 * What an inlet does about it is its policy, `onFull`: its source is held back, so that one batch waits at most, or so
 * many rows wait as the rule's `bufferLength` allows and the oldest or newest are dropped and counted.
 * @module
 */
import type { Delivery } from "./delivery.ts";
import type { FeedRows } from "./feed.ts";
import type { RuleInlet } from "./rule_inlet.ts";

/** A batch on its way into a rule. */
export interface Waiting {
  readonly inlet: RuleInlet;
  readonly rows: FeedRows;
  /** Undefined when the source need not wait. */
  delivery: Delivery | undefined;
  /** How many of the rows have been given to the pipeline. */
  pushed: number;
}

export class RuleBacklog {
  readonly #rowsMax: number;
  readonly #dropped: (reason: string, rows: number) => void;
  #waiting: Waiting[] = [];
  #rows = 0;

  /**
   * @param rowsMax rows that may wait of inlets that drop
   * @param dropped is told of rows that were dropped, after they were counted
   */
  constructor(rowsMax: number, dropped: (reason: string, rows: number) => void) {
    this.#rowsMax = rowsMax;
    this.#dropped = dropped;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** Rows of an inlet that wait. */
  rowsOf(inlet: RuleInlet): number {
    let rows = 0;
    for (const waiting of this.#waiting) if (waiting.inlet === inlet) rows += waiting.rows.rows.length;
    return rows;
  }

  add(waiting: Waiting): void {
    const { inlet, rows } = waiting;
    const tooMany = this.#rows > 0 && this.#rows + rows.rows.length > this.#rowsMax;
    if (tooMany && inlet.whenFull === "dropNewest") return this.#drop(waiting);
    this.#waiting.push(waiting);
    this.#rows += rows.rows.length;
    if (inlet.whenFull === "dropOldest") this.#dropOldest();
  }

  /** The batch that has waited longest. */
  shift(): Waiting | undefined {
    const next = this.#waiting.shift();
    if (next !== undefined) this.#rows -= next.rows.rows.length;
    return next;
  }

  /** Releases the deliveries of one inlet; the batches go on waiting. */
  letGo(inlet: RuleInlet): void {
    for (const waiting of this.#waiting) {
      if (waiting.inlet !== inlet) continue;
      waiting.delivery?.release();
      waiting.delivery = undefined;
    }
  }

  /** All that waits, which is given up. */
  abandon(): Waiting[] {
    const all = this.#waiting;
    this.#waiting = [];
    this.#rows = 0;
    return all;
  }

  /** The newest batch stays, however large it is. */
  #dropOldest(): void {
    while (this.#rows > this.#rowsMax) {
      const index = this.#waiting.findIndex(({ inlet }) => inlet.whenFull === "dropOldest");
      if (index === -1 || index === this.#waiting.length - 1) return;
      const [oldest] = this.#waiting.splice(index, 1) as [Waiting];
      this.#rows -= oldest.rows.rows.length;
      this.#drop(oldest);
    }
  }

  #drop({ inlet, rows, delivery }: Waiting): void {
    const { length } = rows.rows;
    const { sourceMetrics } = inlet.feed;
    sourceMetrics.drop("buffer full", length);
    inlet.metrics.drop("buffer full", length);
    this.#dropped("buffer full", length);
    sourceMetrics.fail("buffer full, drop message", rows.time);
    delivery?.release();
  }
}
