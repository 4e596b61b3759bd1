/**
 * What windows that overlap hold: everything from the start of the oldest window that can still be handed on.
 *
 * The window operator says where each row stands on the time axis, and where the window starts that comes next; the
 * content knows no lengths. As positions never fall, both ends only ever move forward.
 * @module
 */
import type { Row, WindowSpan } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import { sizeOfRows } from "../limits/state_size.ts";
import type { Batch, OperatorContext } from "../operator.ts";
import { rowFromValue, rowToValue } from "../row_state.ts";
import { copyRow } from "./copy_row.ts";
import type { FreshRows } from "./fresh_rows.ts";

export interface PaneContent {
  /**
   * `at` is never smaller than that of the row before. Rows at one position come and go together. False for a row that
   * WHERE refuses: no list will have it.
   */
  add(row: Row, at: number): boolean;
  /** Forgets what stands before `from`, which never falls. */
  evict(from: number): void;
  /**
   * A list of everything that is held, which begins at `from`, or undefined when nothing is to be handed on. Everything
   * stays held. Counts the `fresh` rows of it, that were in no list before.
   */
  list(window: WindowSpan, fresh: FreshRows, from: number): Batch | undefined;
  /** How many rows it holds. */
  readonly size: number;
  /** True when the list of an empty window is handed on. */
  readonly emitsEmpty: boolean;
  /** Moves everything by `delta` on the time axis. */
  shift(delta: number): void;
  /** As {@linkcode Operator.stateBytes}. */
  stateBytes(): number;
  snapshot(): Value;
  restore(state: Value): void;
}

/** Keeps the rows themselves, for results that are not aggregated or need them in order. */
export class RowPanes implements PaneContent {
  readonly #context: OperatorContext;
  /** Oldest first; what stands before `#head` is forgotten. */
  #rows: Row[] = [];
  #positions: number[] = [];
  #head = 0;
  readonly emitsEmpty = true;

  constructor(context: OperatorContext) {
    this.#context = context;
  }

  get size(): number {
    return this.#rows.length - this.#head;
  }

  add(row: Row, at: number): boolean {
    this.#rows.push(row);
    this.#positions.push(at);
    return true;
  }

  evict(from: number): void {
    while (this.#head < this.#positions.length && this.#positions[this.#head]! < from) this.#head++;
    // The forgotten part is cut off only once it is the larger half, so that forgetting stays linear.
    if (this.#head * 2 > this.#rows.length) {
      this.#rows = this.#rows.slice(this.#head);
      this.#positions = this.#positions.slice(this.#head);
      this.#head = 0;
    }
  }

  list(window: WindowSpan, fresh: FreshRows, from: number): Batch {
    this.#context.metrics.passed += fresh.handOn(from);
    const rows: Row[] = [];
    for (let i = this.#head; i < this.#rows.length; i++) {
      rows.push(copyRow(this.#rows[i]!, this.#context.changingSlots, window));
    }
    return { rows, window };
  }

  shift(delta: number): void {
    for (let i = this.#head; i < this.#positions.length; i++) this.#positions[i]! += delta;
  }

  stateBytes(): number {
    return sizeOfRows(this.#rows, this.#head);
  }

  snapshot(): Value {
    return [this.#rows.slice(this.#head).map(rowToValue), this.#positions.slice(this.#head)];
  }

  restore(state: Value): void {
    const [rows, positions] = state as [Value[], number[]];
    this.#rows = rows.map(rowFromValue);
    this.#positions = positions;
    this.#head = 0;
  }
}
