/**
 * The running aggregates of one group in a window that moves: rows come in at the new end, and go at the old end.
 *
 * Aggregates cannot take a row back, so there are two parts, as in the queue that is made of two stacks. What comes in is
 * added to the back part, of which the aggregates are always known. Of the front part, the aggregates from each position
 * to its end are known, so that its oldest position goes away at no cost. When the front part is used up, the back one
 * takes its place. Everything together is front ⊕ back.
 *
 * Those aggregates of the front part are only kept for its oldest block of positions; of the others one for each block is
 * enough until their turn comes. So a position costs two additions and two merges at most, however long the window is,
 * and a long window needs little more memory than the first row of each position.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import type { Code } from "../../diagnostics/codes.ts";
import { functionError } from "../../sql/compile/calls.ts";
import type { Row } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import { sizeOfList, sizeOfRow, sizeOfValue } from "../limits/state_size.ts";
import { rowFromValue, rowToValue } from "../row_state.ts";
import { failureToValue } from "./content.ts";
import type { CompiledAggregate } from "./group_table.ts";

/** What went wrong first, and the number of the row it was found at. */
export interface FailedRow {
  readonly sequence: number;
  readonly error: unknown;
}

export function failureToState({ sequence, error }: FailedRow): Value {
  return [sequence, ...failureToValue(error)];
}

export function failureOf(state: Value): FailedRow {
  const [sequence, code, message] = state as [number, Code, string];
  return { sequence, error: new RowError(code, message) };
}

/** Running aggregates; the states mean nothing once there is a failure. */
interface Running {
  states: Value[];
  failure: FailedRow | undefined;
}

/** What stands at one position. */
interface Pane {
  at: number;
  /** The first row at this position, and its number. */
  readonly row: Row;
  readonly sequence: number;
  /** Undefined as long as there is one row only: it says all, and is cheaper to keep. */
  running: Running | undefined;
}

/** Positions that lie together in the front part. */
interface Block {
  /** The place in `#panes` where it ends. */
  readonly end: number;
  /** Everything in the front part behind it. */
  readonly rest: Running | undefined;
}

const panesInBlock = 64;

/** Of a position, besides its row and its aggregates. */
const paneBytes = 64;

export class PaneQueue {
  readonly #aggregates: readonly CompiledAggregate[];
  /** Oldest first. Those before `#head` are forgotten, those from `#middle` on are the back part. */
  #panes: Pane[] = [];
  #head = 0;
  #middle = 0;
  /** The blocks of the front part; the oldest one is last. */
  #blocks: Block[] = [];
  /** From each position of the oldest block to the end of the front part; the oldest one is last. */
  #suffixes: Running[] = [];
  /** The aggregates of the back part's blocks that are full. */
  #backBlocks: Running[] = [];
  /** Everything in the back part. */
  #back: Running | undefined;
  /** Everything, until something changes. */
  #all: Running | undefined;

  constructor(aggregates: readonly CompiledAggregate[]) {
    this.#aggregates = aggregates;
  }

  /** The oldest position; undefined when there is nothing. */
  get first(): { readonly row: Row; readonly sequence: number } | undefined {
    return this.#panes[this.#head];
  }

  /** `at` is never smaller than that of the row before; `sequence` grows with every row. */
  add(row: Row, at: number, sequence: number): void {
    this.#all = undefined;
    const panes = this.#panes;
    const last = panes.length > this.#middle ? panes[panes.length - 1]! : undefined;
    if (last !== undefined && last.at === at) {
      last.running ??= this.#runningOf(last);
      this.#addTo(last.running, row, sequence);
    } else {
      const start = this.#middle + this.#backBlocks.length * panesInBlock;
      if (panes.length - start === panesInBlock) this.#backBlocks.push(this.#fold(start, panes.length));
      panes.push({ at, row, sequence, running: undefined });
    }
    this.#back ??= this.#empty();
    this.#addTo(this.#back, row, sequence);
  }

  #empty(): Running {
    const states: Value[] = [];
    for (let i = 0; i < this.#aggregates.length; i++) states.push(this.#aggregates[i]!.init());
    return { states, failure: undefined };
  }

  #addTo(running: Running, row: Row, sequence: number): void {
    if (running.failure !== undefined) return;
    const { states } = running;
    for (let i = 0; i < states.length; i++) {
      const aggregate = this.#aggregates[i]!;
      try {
        states[i] = aggregate.add(states[i], row);
      } catch (error) {
        running.failure = { sequence, error: functionError(aggregate.name, error) };
        return;
      }
    }
  }

  #runningOf(pane: Pane): Running {
    if (pane.running !== undefined) return pane.running;
    const running = this.#empty();
    this.#addTo(running, pane.row, pane.sequence);
    return running;
  }

  /** The aggregates of the positions from `start` up to `end`, of which there is at least one. */
  #fold(start: number, end: number): Running {
    let all: Running | undefined;
    // Single rows in a row are added. What a merge has given is not, as it may be somebody else's state.
    let single: Running | undefined;
    for (let i = start; i < end; i++) {
      const { running, row, sequence } = this.#panes[i]!;
      if (running === undefined) {
        this.#addTo(single ??= this.#empty(), row, sequence);
        continue;
      }
      if (single !== undefined) all = this.#merge(all, single, sequence);
      single = undefined;
      all = this.#merge(all, running, sequence);
    }
    return single === undefined ? all! : this.#merge(all, single, this.#panes[start]!.sequence);
  }

  /** Forgets the positions before `from`. */
  evict(from: number): void {
    const panes = this.#panes;
    const before = this.#head;
    if (before === panes.length || panes[before]!.at >= from) return;
    this.#all = undefined;
    // The end of the front part is not passed before there is a new one.
    while (this.#head < this.#middle && panes[this.#head]!.at < from) this.#head++;
    if (this.#head === this.#middle) {
      this.#turnOver();
      while (this.#head < panes.length && panes[this.#head]!.at < from) this.#head++;
    }
    while (this.#blocks.length > 0 && this.#blocks[this.#blocks.length - 1]!.end <= this.#head) {
      this.#blocks.pop();
      this.#suffixes.length = 0;
    }
    this.#expand();
    if (this.#head * 2 > panes.length) this.#cutOff();
  }

  /** The back part becomes the front part, which must be used up. */
  #turnOver(): void {
    const middle = this.#middle;
    const end = this.#panes.length;
    this.#blocks.length = 0;
    this.#suffixes.length = 0;
    let rest: Running | undefined;
    for (let i = Math.ceil((end - middle) / panesInBlock) - 1; i >= 0; i--) {
      const start = middle + i * panesInBlock;
      const block = { end: Math.min(start + panesInBlock, end), rest };
      this.#blocks.push(block);
      if (i === 0) break;
      const running = this.#backBlocks[i] ?? this.#fold(start, block.end);
      rest = rest === undefined ? running : this.#merge(running, rest, this.#panes[block.end]!.sequence);
    }
    this.#backBlocks.length = 0;
    this.#back = undefined;
    this.#middle = end;
  }

  /** Sees to it that the oldest block has an aggregate for each of its positions that is left. */
  #expand(): void {
    const block = this.#blocks[this.#blocks.length - 1];
    if (block === undefined) return;
    if (this.#suffixes.length > 0) {
      this.#suffixes.length = block.end - this.#head;
      return;
    }
    let suffix = block.rest;
    for (let i = block.end - 1; i >= this.#head; i--) {
      const running = this.#runningOf(this.#panes[i]!);
      suffix = suffix === undefined ? running : this.#merge(running, suffix, this.#panes[i + 1]!.sequence);
      this.#suffixes.push(suffix);
    }
  }

  /** Lets go of what is forgotten; only when it is the larger half, so that forgetting stays linear. */
  #cutOff(): void {
    const cut = this.#head;
    this.#panes = this.#panes.slice(cut);
    this.#head = 0;
    this.#middle -= cut;
    this.#blocks = this.#blocks.map(({ end, rest }) => ({ end: end - cut, rest }));
  }

  /** The aggregates of everything that is held, of which there must be something. */
  all(): Running {
    if (this.#all !== undefined) return this.#all;
    const front = this.#suffixes[this.#suffixes.length - 1];
    this.#all = this.#back === undefined ? front : this.#merge(front, this.#back, this.#panes[this.#middle]!.sequence);
    return this.#all!;
  }

  /** @param middle The number of the first row of `right`. */
  #merge(left: Running | undefined, right: Running, middle: number): Running {
    if (left === undefined) return right;
    const failure = left.failure ?? right.failure;
    if (failure !== undefined) return { states: left.states, failure };
    const aggregates = this.#aggregates;
    const states: Value[] = [];
    for (let i = 0; i < aggregates.length; i++) {
      try {
        states.push(aggregates[i]!.merge!(left.states[i], right.states[i]));
      } catch (error) {
        // Both sides are well by themselves. Which row the aggregate minds is not known; it is none before the right side.
        return { states, failure: { sequence: middle, error: functionError(aggregates[i]!.name, error) } };
      }
    }
    return { states, failure: undefined };
  }

  shift(delta: number): void {
    for (const pane of this.#panes) pane.at += delta;
  }

  /** As {@linkcode Operator.stateBytes}. */
  stateBytes(): number {
    const running = (each: Running | undefined) => each === undefined ? 0 : sizeOfValue(each.states);
    return sizeOfList(this.#panes, (pane) => paneBytes + sizeOfRow(pane.row) + running(pane.running), this.#head) +
      sizeOfList(this.#suffixes, running) + sizeOfList(this.#blocks, ({ rest }) => running(rest)) +
      sizeOfList(this.#backBlocks, running) + running(this.#back);
  }

  snapshot(): Value {
    return this.#panes.slice(this.#head).map(({ at, row, sequence, running }) => [
      at,
      rowToValue(row),
      sequence,
      running === undefined
        ? null
        : [running.states, running.failure === undefined ? null : failureToState(running.failure)],
    ]);
  }

  /** Everything that was held is the front part then: how it is divided makes no difference to the results. */
  restore(state: Value): void {
    this.#panes = (state as [number, Value, number, [Value[], Value] | null][]).map(([at, row, sequence, running]) => ({
      at,
      row: rowFromValue(row),
      sequence,
      running: running === null
        ? undefined
        : { states: running[0], failure: running[1] === null ? undefined : failureOf(running[1]) },
    }));
    this.#turnOver();
    this.#expand();
  }
}
