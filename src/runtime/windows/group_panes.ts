/**
 * Running aggregates for windows that overlap: per group and position one state instead of the rows.
 *
 * A row that fails, or that an aggregate refuses beside the others, spoils exactly the windows it stands in.
 * @module
 */
import type { Bound, BoundAggregate } from "../../sql/bound.ts";
import type { Condition } from "../../sql/compile/evaluator.ts";
import type { Row, WindowSpan } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import { sizeOfEntries } from "../limits/state_size.ts";
import type { Batch, OperatorContext } from "../operator.ts";
import { type FailedRow, failureOf, failureToState, PaneQueue } from "./pane_queue.ts";
import { compileAggregate, type CompiledAggregate, compileGroupKey, resultRow, rowOfNone } from "./group_table.ts";
import type { FreshRows } from "./fresh_rows.ts";
import type { PaneContent } from "./pane_content.ts";

/** A row that could not be given to any group. WHERE is applied before the groups, so its failures come first. */
interface Stray extends FailedRow {
  at: number;
  readonly inWhere: boolean;
}

interface Group {
  readonly key: string;
  readonly panes: PaneQueue;
}

export class GroupPanes implements PaneContent {
  readonly #grouped: boolean;
  readonly #keyOf: (row: Row) => string;
  readonly #aggregates: readonly CompiledAggregate[];
  readonly #condition: Condition | undefined;
  readonly #context: OperatorContext;
  readonly #groups = new Map<string, Group>();
  /** The same groups, in order of their first rows once they were sorted. */
  #order: Group[] = [];
  #strays: Stray[] = [];
  /** How many rows stand at each position, those that WHERE refuses included; `#head` is the first that counts. */
  #positions: number[] = [];
  #counts: number[] = [];
  #head = 0;
  #size = 0;
  /** Rows that were forgotten here, but not yet by their groups. */
  #stale = 0;
  #from = -Infinity;
  /** Numbers the rows, to tell which came first. */
  #sequence = 0;

  /** `condition` is WHERE, where the dialect applies it after the window. Every aggregate has `merge`. */
  constructor(
    groupBy: readonly Bound[],
    aggregates: readonly BoundAggregate[],
    condition: Condition | undefined,
    context: OperatorContext,
  ) {
    this.#grouped = groupBy.length > 0;
    this.#keyOf = compileGroupKey(groupBy, context);
    this.#aggregates = aggregates.map((a) => compileAggregate(a, context));
    this.#condition = condition;
    this.#context = context;
  }

  get size(): number {
    return this.#size;
  }

  get emitsEmpty(): boolean {
    return this.#condition === undefined && !this.#grouped;
  }

  add(row: Row, at: number): boolean {
    this.#count(at);
    const sequence = this.#sequence++;
    let inWhere = true;
    try {
      if (this.#condition !== undefined && !this.#condition(row)) return false;
      inWhere = false;
      const key = this.#keyOf(row);
      let group = this.#groups.get(key);
      if (group === undefined) {
        group = { key, panes: new PaneQueue(this.#aggregates) };
        this.#groups.set(key, group);
        this.#order.push(group);
      }
      group.panes.add(row, at, sequence);
    } catch (error) {
      this.#strays.push({ at, sequence, error, inWhere });
    }
    return true;
  }

  #count(at: number): void {
    this.#size++;
    const last = this.#positions.length - 1;
    if (last >= this.#head && this.#positions[last] === at) {
      this.#counts[last]!++;
    } else {
      this.#positions.push(at);
      this.#counts.push(1);
    }
  }

  evict(from: number): void {
    if (from <= this.#from) return;
    this.#from = from;
    while (this.#head < this.#positions.length && this.#positions[this.#head]! < from) {
      const count = this.#counts[this.#head++]!;
      this.#size -= count;
      this.#stale += count;
    }
    if (this.#head * 2 > this.#positions.length) {
      this.#positions = this.#positions.slice(this.#head);
      this.#counts = this.#counts.slice(this.#head);
      this.#head = 0;
    }
    // Asking every group costs as much as there are rows at most: often enough to bound the memory, not for every row.
    if (this.#stale > this.#size) this.#purge();
  }

  /** Makes the groups forget what was evicted, and drops those that have nothing left. */
  #purge(): void {
    if (this.#stale === 0) return;
    this.#stale = 0;
    let kept = 0;
    for (const group of this.#order) {
      group.panes.evict(this.#from);
      if (group.panes.first === undefined) this.#groups.delete(group.key);
      else this.#order[kept++] = group;
    }
    this.#order.length = kept;
    if (this.#strays.length > 0) this.#strays = this.#strays.filter(({ at }) => at >= this.#from);
  }

  list(window: WindowSpan, fresh: FreshRows, from: number): Batch | undefined {
    this.#purge();
    const failure = this.#failure();
    if (failure !== undefined) {
      this.#context.fail(failure.error, 0);
      fresh.spoil(from, failure.error);
      return undefined;
    }
    if (this.#order.length === 0) return this.emitsEmpty ? { rows: [rowOfNone(window)], window } : undefined;
    this.#sort();
    const rows: Row[] = [];
    try {
      for (const { panes } of this.#order) {
        const { states } = panes.all();
        rows.push(resultRow(panes.first!.row, states, this.#aggregates, this.#context.changingSlots, window));
      }
    } catch (error) {
      this.#context.fail(error, 0);
      fresh.spoil(from, error);
      return undefined;
    }
    this.#context.metrics.passed += fresh.handOn(from);
    return { rows, window };
  }

  /** The failure that aggregating the rows one by one would have met. */
  #failure(): FailedRow | undefined {
    const inWhere = this.#strays.find((stray) => stray.inWhere);
    if (inWhere !== undefined) return inWhere;
    let first: FailedRow | undefined = this.#strays[0];
    for (const { panes } of this.#order) {
      const { failure } = panes.all();
      if (failure !== undefined && (first === undefined || failure.sequence < first.sequence)) first = failure;
    }
    return first;
  }

  /** Nearly sorted as a rule: only groups whose first row went away have another place. */
  #sort(): void {
    const order = this.#order;
    for (let i = 1; i < order.length; i++) {
      if (order[i - 1]!.panes.first!.sequence > order[i]!.panes.first!.sequence) {
        order.sort((a, b) => a.panes.first!.sequence - b.panes.first!.sequence);
        return;
      }
    }
  }

  shift(delta: number): void {
    this.#purge();
    this.#from += delta;
    for (let i = this.#head; i < this.#positions.length; i++) this.#positions[i]! += delta;
    for (const stray of this.#strays) stray.at += delta;
    for (const { panes } of this.#order) panes.shift(delta);
  }

  stateBytes(): number {
    return sizeOfEntries(this.#groups, ({ panes }) => panes.stateBytes()) + 16 * this.#positions.length;
  }

  snapshot(): Value {
    this.#purge();
    return [
      this.#sequence,
      this.#positions.slice(this.#head),
      this.#counts.slice(this.#head),
      this.#strays.map((stray) => [stray.at, stray.inWhere, failureToState(stray)]),
      this.#order.map(({ key, panes }) => [key, panes.snapshot()]),
    ];
  }

  restore(state: Value): void {
    const [sequence, positions, counts, strays, groups] = state as [
      number,
      number[],
      number[],
      [number, boolean, Value][],
      [string, Value][],
    ];
    this.#sequence = sequence;
    this.#positions = positions;
    this.#counts = counts;
    this.#size = counts.reduce((sum, count) => sum + count, 0);
    this.#strays = strays.map(([at, inWhere, failure]) => ({ at, inWhere, ...failureOf(failure) }));
    this.#order = groups.map(([key, saved]) => {
      const panes = new PaneQueue(this.#aggregates);
      panes.restore(saved);
      return { key, panes };
    });
    for (const group of this.#order) this.#groups.set(group.key, group);
  }
}
