/**
 * The running aggregates of one group in a window that moves: rows come in at the new end, and go at the old end.
 *
 * Aggregates cannot take a row back, so there are two stacks, as in the queue that is made of two. The back one has a
 * state for each position; what comes in is added there. The front one has, for each position, the state of everything
 * from there to its end, so that its oldest position is taken away by dropping one entry. When the front one is empty,
 * the back one is turned over, with one merge for each position. So each position costs a fixed number of merges,
 * however long the window is, and everything together is front ⊕ back.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import type { Code } from "../../diagnostics/codes.ts";
import { functionError } from "../../sql/compile/calls.ts";
import type { Row } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
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
  readonly states: Value[];
  readonly failure: FailedRow | undefined;
}

/** The aggregates of one position, or in the front stack of everything from there to its end. */
interface Pane extends Running {
  at: number;
  /** The first row at this position, and its number. */
  readonly row: Row;
  readonly sequence: number;
  failure: FailedRow | undefined;
}

export class PaneQueue {
  readonly #aggregates: readonly CompiledAggregate[];
  /** The oldest one is last. */
  #front: Pane[] = [];
  /** The newest one is last, and takes what comes in. */
  #back: Pane[] = [];
  /** Everything in the back stack but its last one. */
  #settled: Running | undefined;
  /** Everything, until something changes. */
  #all: Running | undefined;

  constructor(aggregates: readonly CompiledAggregate[]) {
    this.#aggregates = aggregates;
  }

  /** The oldest position; undefined when there is nothing. */
  get first(): { readonly row: Row; readonly sequence: number } | undefined {
    return this.#front.length > 0 ? this.#front[this.#front.length - 1] : this.#back[0];
  }

  /** `at` is never smaller than that of the row before; `sequence` grows with every row. */
  add(row: Row, at: number, sequence: number): void {
    this.#all = undefined;
    const aggregates = this.#aggregates;
    let pane = this.#back[this.#back.length - 1];
    if (pane === undefined || pane.at !== at) {
      if (pane !== undefined) this.#settled = this.#settled === undefined ? pane : this.#merge(this.#settled, pane);
      pane = { states: aggregates.map((a) => a.init()), failure: undefined, at, row, sequence };
      this.#back.push(pane);
    } else if (pane.failure !== undefined) {
      return;
    }
    const { states } = pane;
    for (let i = 0; i < states.length; i++) {
      try {
        states[i] = aggregates[i]!.add(states[i], row);
      } catch (error) {
        pane.failure = { sequence, error: functionError(aggregates[i]!.name, error) };
        return;
      }
    }
  }

  /** Forgets the positions before `from`. */
  evict(from: number): void {
    const front = this.#front;
    const before = front.length;
    while (front.length > 0 && front[front.length - 1]!.at < from) front.pop();
    if (front.length !== before) this.#all = undefined;
    if (front.length === 0 && this.#back.length > 0 && this.#back[0]!.at < from) this.#turnOver(from);
  }

  #turnOver(from: number): void {
    const back = this.#back;
    this.#back = [];
    this.#settled = undefined;
    this.#all = undefined;
    let rest: Running | undefined;
    for (let i = back.length - 1; i >= 0 && back[i]!.at >= from; i--) {
      const { at, row, sequence } = back[i]!;
      rest = rest === undefined ? back[i]! : this.#merge(back[i]!, rest);
      this.#front.push({ states: rest.states, failure: rest.failure, at, row, sequence });
    }
  }

  /** The aggregates of everything that is held, of which there must be something. */
  all(): Running {
    if (this.#all !== undefined) return this.#all;
    let all: Running | undefined = this.#front[this.#front.length - 1];
    const last = this.#back[this.#back.length - 1];
    if (this.#settled !== undefined) all = all === undefined ? this.#settled : this.#merge(all, this.#settled);
    if (last !== undefined) all = all === undefined ? last : this.#merge(all, last);
    this.#all = all;
    return all!;
  }

  #merge(left: Running, right: Running): Running {
    const failure = left.failure ?? right.failure;
    if (failure !== undefined) return { states: left.states, failure };
    const aggregates = this.#aggregates;
    const states: Value[] = [];
    for (let i = 0; i < aggregates.length; i++) {
      try {
        states.push(aggregates[i]!.merge!(left.states[i], right.states[i]));
      } catch (error) {
        // Each side is well by itself: which row the aggregate minds is not known, but it is none before the right side.
        const sequence = "sequence" in right ? (right as Pane).sequence : Infinity;
        return { states, failure: { sequence, error: functionError(aggregates[i]!.name, error) } };
      }
    }
    return { states, failure: undefined };
  }

  shift(delta: number): void {
    for (const pane of this.#front) pane.at += delta;
    for (const pane of this.#back) pane.at += delta;
  }

  snapshot(): Value {
    return [this.#front.map(paneToValue), this.#back.map(paneToValue)];
  }

  restore(state: Value): void {
    const [front, back] = state as [Value[], Value[]];
    this.#front = front.map(paneFromValue);
    this.#back = back.map(paneFromValue);
    this.#settled = undefined;
    for (const pane of this.#back.slice(0, -1)) {
      this.#settled = this.#settled === undefined ? pane : this.#merge(this.#settled, pane);
    }
    this.#all = undefined;
  }
}

function paneToValue({ at, row, sequence, states, failure }: Pane): Value {
  return [at, rowToValue(row), sequence, states, failure === undefined ? null : failureToState(failure)];
}

function paneFromValue(value: Value): Pane {
  const [at, row, sequence, states, failure] = value as [number, Value, number, Value[], Value];
  return {
    states,
    failure: failure === null ? undefined : failureOf(failure),
    at,
    row: rowFromValue(row),
    sequence,
  };
}
