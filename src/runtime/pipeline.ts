/**
 * A plan as running operators: rows and time go in, results come out.
 * @module
 */
import { type Plan, type SourcePlan, sourcesOf, type StatementPlan } from "../sql/plan.ts";
import type { RuleContext } from "../sql/functions/declare.ts";
import { copyOfRow, type Row } from "../value/row.ts";
import type { Value } from "../value/value.ts";
import type { Tap } from "./durable/tap.ts";
import type { Batch, Output, Progress } from "./operator.ts";
import type { Given } from "./pipeline_edges.ts";
import { type PipelineNode, type PipelineParts, wirePlan } from "./wire_plan.ts";

export class Pipeline {
  /** Every operator stands behind those it gets its rows from; the last one gives the result. */
  readonly nodes: readonly PipelineNode[];
  /** Its streams and tables, by position; those of lookup tables take no rows. */
  readonly sources: readonly SourcePlan[];
  /** Where rows are recorded; none without a recorder, or without state. */
  readonly taps: readonly Tap[];
  /** Of the plan as a whole; see `planKeys`. Empty without a recorder. */
  readonly key: string;
  readonly root: Plan;
  /** What each source, operator and case of a switch has given. */
  readonly givens: ReadonlyMap<Plan, Given>;
  /** What was held has been counted as dropped. */
  #abandoned = false;
  /** Where the rows of each source go in; undefined for lookup tables. */
  readonly #heads: readonly (Output | undefined)[];
  readonly #rule: RuleContext;
  #watermark = -Infinity;

  constructor(plan: StatementPlan, parts: PipelineParts) {
    this.#rule = parts.rule;
    this.root = plan.root;
    this.sources = sourcesOf(plan.root);
    const { key, nodes, heads, givens, taps } = wirePlan(plan, parts);
    this.key = key;
    this.nodes = nodes;
    this.givens = givens;
    this.taps = taps;
    this.#heads = heads;
  }

  /** Pushes rows of the source at `position` that arrived by `now`, oldest first. */
  push(rows: Row[], now: number, position = 0): void {
    this.advance(now);
    this.#give(rows, position);
  }

  /**
   * Pushes rows of a stream that stands at several positions, as one that is joined with itself does. Each row comes to
   * all of them before the next one, so that it makes no difference how rows come together.
   */
  pushAt(positions: readonly number[], rows: Row[], now: number): void {
    if (positions.length === 1) return this.push(rows, now, positions[0]);
    this.advance(now);
    for (const row of rows) for (const position of positions) this.#give([copyOfRow(row)], position);
  }

  #give(rows: Row[], position: number): void {
    if (position !== 0) { for (const row of rows) row.source = position; }
    if (rows.length > 0) this.#heads[position]!.push({ rows, window: undefined });
  }

  /** Gives back what a tap has recorded, or, without one, what time it was. */
  replay(now: number, tap?: number, batch?: Batch): void {
    this.#rule.now = now;
    if (tap === undefined) this.advance(now);
    else this.taps[tap]!.replay(batch!);
  }

  /** Tells how far processing time has come, and optionally the watermark: Infinity at the end of the input. */
  advance(now: number, watermark = -Infinity): void {
    this.#rule.now = now;
    this.#watermark = Math.max(this.#watermark, watermark);
    const progress: Progress = { processing: now, watermark: this.#watermark };
    for (const head of this.#heads) head?.advance(progress);
  }

  /** As {@linkcode Operator.settled}, for all operators. */
  settled(): Promise<void> | undefined {
    for (const { operator } of this.nodes) {
      const pending = operator.settled?.();
      if (pending !== undefined) return pending.then(() => this.settled());
    }
    return undefined;
  }

  /**
   * No more input: what operators hold back comes out, the open windows included. A promise where something of it waits
   * for an answer from elsewhere.
   */
  end(now: number): Promise<void> | undefined {
    this.#rule.now = now;
    return this.#endFrom(0);
  }

  #endFrom(first: number): Promise<void> | undefined {
    for (let i = first; i < this.nodes.length; i++) {
      this.nodes[i]!.operator.end?.();
      const pending = this.settled();
      if (pending !== undefined) return pending.then(() => this.#endFrom(i + 1));
    }
    return undefined;
  }

  /**
   * Begins to count anew: what is held at this moment is carried over. Called when the state is back after a restart.
   */
  beginCounting(): void {
    for (const { operator, metrics } of this.nodes) {
      metrics.begin(operator.held?.() ?? 0);
      for (const table of operator.tables ?? []) table.metrics.begin(table.held());
    }
    for (const given of this.givens.values()) given.reset();
  }

  /** How many items an operator has that are counted nowhere else. */
  heldBy({ operator }: PipelineNode): number {
    return this.#abandoned ? 0 : operator.held?.() ?? 0;
  }

  /** Counts what operators hold back as dropped, since it is given up; returns how much it is. */
  abandon(reason: string): number {
    let all = 0;
    this.#abandoned = true;
    for (const { operator, metrics } of this.nodes) {
      const held = operator.held?.() ?? 0;
      if (held > 0) metrics.drop(reason, held);
      all += held;
    }
    return all;
  }

  /** The processing time at which {@linkcode advance} must be called next, or Infinity. */
  deadline(): number {
    let earliest = Infinity;
    for (const { operator } of this.nodes) earliest = Math.min(earliest, operator.deadline?.() ?? Infinity);
    return earliest;
  }

  /** Gives back what operators hold outside of this pipeline. Nothing may be pushed any more. */
  close(): void {
    for (const { operator } of this.nodes) operator.close?.();
  }

  /** The state of every operator, by position; null for those without. Only when it has settled. */
  snapshot(): Value {
    return this.nodes.map(({ operator }) => operator.snapshot?.() ?? null);
  }

  restore(state: Value): void {
    for (const [i, { operator }] of this.nodes.entries()) {
      const own = (state as Value[])[i];
      if (own !== null && own !== undefined) operator.restore?.(own);
    }
    this.beginCounting();
  }
}
