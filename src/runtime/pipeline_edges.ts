/**
 * What stands between the operators of a pipeline: it counts what goes in and out, and takes the time.
 *
 * Giver and taker count for themselves, in objects of their own, so that the ledger can compare them.
 * @module
 */
import type { RuleContext } from "../sql/functions/declare.ts";
import type { NodeMetrics } from "../telemetry/node_metrics.ts";
import { type Batch, itemsOf, type Operator, type Output, type Progress } from "./operator.ts";

/** The time that the operators behind the one that runs have taken so far, in milliseconds. */
export interface Timing {
  behindMs: number;
  /** Whether the present one is timed, with all that it sets off. */
  on: boolean;
  /** True while one runs. */
  inside: boolean;
}

export function newTiming(): Timing {
  return { behindMs: 0, on: false, inside: false };
}

/** One push of so many is timed: looking at the clock around every operator would cost as much as a small batch does. */
const timedPushes = 8;

/** What a node of a plan has given, to each of those that take from it. */
export class Given {
  items = 0;
  /** With every row of a list. */
  rows = 0;
  /** Those who look at what is given; undefined for nobody. */
  #listeners: Set<(batch: Batch) => void> | undefined;

  reset(): void {
    this.items = this.rows = 0;
  }

  /** Calls `listener` with every batch until what it returns is called. */
  listen(listener: (batch: Batch) => void): () => void {
    const listeners = this.#listeners ??= new Set();
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners === listeners) this.#listeners = undefined;
    };
  }

  tell(batch: Batch): void {
    if (this.#listeners === undefined) return;
    for (const listener of this.#listeners) listener(batch);
  }
}

/** Counts what an operator, a source or a case of a switch gives. */
export class CountedOutput implements Output {
  readonly #output: Output;
  readonly #given: Given;
  /** Of the operator; undefined for a source. */
  readonly #metrics: NodeMetrics | undefined;

  constructor(output: Output, given: Given, metrics: NodeMetrics | undefined) {
    this.#output = output;
    this.#given = given;
    this.#metrics = metrics;
  }

  push(batch: Batch): void {
    const items = itemsOf(batch);
    this.#given.items += items;
    this.#given.rows += batch.rows.length;
    if (this.#metrics !== undefined) this.#metrics.recordsOut += items;
    this.#given.tell(batch);
    this.#output.push(batch);
  }

  advance(progress: Progress): void {
    this.#output.advance(progress);
  }
}

/** Leads into an operator: counts and times what goes in. */
export class Edge implements Output {
  readonly #operator: Operator;
  readonly #metrics: NodeMetrics;
  readonly #rule: RuleContext;
  /** Shared by all operators of a pipeline. */
  readonly #timing: Timing;
  /** Pushes that came from no other operator: of the source, or of a window that time has closed. */
  #entries = 0;

  constructor(
    { operator, metrics }: { readonly operator: Operator; readonly metrics: NodeMetrics },
    rule: RuleContext,
    timing: Timing,
  ) {
    this.#operator = operator;
    this.#metrics = metrics;
    this.#rule = rule;
    this.#timing = timing;
  }

  push(batch: Batch): void {
    const metrics = this.#metrics;
    const count = itemsOf(batch);
    metrics.recordsIn += count;
    metrics.rowsIn += batch.rows.length;
    metrics.lastInvocation = this.#rule.now;
    const timing = this.#timing;
    if (timing.inside) this.#pass(batch, count);
    else {
      timing.inside = true;
      timing.on = this.#entries++ % timedPushes === 0;
      try {
        this.#pass(batch, count);
      } finally {
        timing.inside = false;
      }
    }
    metrics.processed += count;
  }

  #pass(batch: Batch, count: number): void {
    const timing = this.#timing;
    if (!timing.on) {
      this.#operator.push(batch);
      return;
    }
    // Operators run inside each other: what the ones behind take is not this one's.
    const outer = timing.behindMs;
    timing.behindMs = 0;
    const started = performance.now();
    this.#operator.push(batch);
    const tookMs = performance.now() - started;
    this.#metrics.took(tookMs - timing.behindMs, count);
    timing.behindMs = outer + tookMs;
  }

  advance(progress: Progress): void {
    this.#operator.advance(progress);
  }
}
