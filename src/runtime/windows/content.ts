/**
 * What a window holds between its start and its end: rows, or running aggregates.
 * @module
 */
import type { Code } from "../../diagnostics/codes.ts";
import { RowError } from "../../diagnostics/row_error.ts";
import type { Row, WindowSpan } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import { sizeOfRows } from "../limits/state_size.ts";
import type { Batch, OperatorContext } from "../operator.ts";
import { emptySlots, rowFromValue, rowToValue } from "../row_state.ts";
import type { GroupTable } from "./group_table.ts";
import type { Condition } from "../../sql/compile/evaluator.ts";

export interface WindowContent {
  add(row: Row): void;
  /** The window's list, or undefined when nothing is to be handed on; empties the content, and counts its rows. */
  close(window: WindowSpan): Batch | undefined;
  /** Empties the content and hands nothing on: its rows count as filtered. */
  clear(): void;
  /** How many rows came in since the last close. */
  readonly size: number;
  /** Of these, how many will be counted when the window closes: without those that WHERE has refused. */
  readonly held: number;
  /** True when closing an empty window hands something on. */
  readonly emitsEmpty: boolean;
  /** As {@linkcode Operator.stateBytes}. */
  stateBytes(): number;
  snapshot(): Value;
  restore(state: Value): void;
}

/** Keeps the rows themselves, for results that are not aggregated or need them in order. */
export class RowContent implements WindowContent {
  readonly #context: OperatorContext;
  #rows: Row[] = [];
  readonly emitsEmpty = true;

  constructor(context: OperatorContext) {
    this.#context = context;
  }

  add(row: Row): void {
    this.#rows.push(row);
  }

  get size(): number {
    return this.#rows.length;
  }

  get held(): number {
    return this.#rows.length;
  }

  close(window: WindowSpan): Batch {
    const rows = this.#rows;
    this.#rows = [];
    this.#context.metrics.passed += rows.length;
    for (const row of rows) {
      row.window = window;
      emptySlots(row, this.#context.changingSlots);
    }
    return { rows, window };
  }

  clear(): void {
    this.#context.metrics.filtered += this.#rows.length;
    this.#rows = [];
  }

  stateBytes(): number {
    return sizeOfRows(this.#rows);
  }

  snapshot(): Value {
    return this.#rows.map(rowToValue);
  }

  restore(state: Value): void {
    this.#rows = (state as Value[]).map(rowFromValue);
  }
}

/**
 * Keeps one running state per group. A row that fails spoils its window as a whole, as it would if the list were
 * aggregated at its end.
 */
export class GroupContent implements WindowContent {
  readonly #groups: GroupTable;
  readonly #condition: Condition | undefined;
  readonly #context: OperatorContext;
  #failure: unknown = undefined;
  #failed = false;
  #size = 0;
  /** Without the rows that WHERE refuses. */
  #held = 0;

  /** `condition` is WHERE, where the dialect applies it after the window. */
  constructor(groups: GroupTable, condition: Condition | undefined, context: OperatorContext) {
    this.#groups = groups;
    this.#condition = condition;
    this.#context = context;
  }

  get size(): number {
    return this.#size;
  }

  get held(): number {
    return this.#held;
  }

  get emitsEmpty(): boolean {
    return this.#condition === undefined && !this.#groups.grouped;
  }

  add(row: Row): void {
    this.#size++;
    try {
      // Once a row has failed, the window is lost, whatever comes.
      if (!this.#failed) {
        if (this.#condition !== undefined && !this.#condition(row)) {
          this.#context.metrics.filtered++;
          return;
        }
        this.#groups.add(row);
      }
    } catch (error) {
      this.#failed = true;
      this.#failure = error;
    }
    this.#held++;
  }

  close(window: WindowSpan): Batch | undefined {
    const failed = this.#failed;
    const failure = this.#failure;
    const held = this.#held;
    this.#failed = false;
    this.#failure = undefined;
    this.#size = 0;
    this.#held = 0;
    if (failed) {
      this.#groups.clear();
      this.#context.fail(failure, held);
      return undefined;
    }
    if (this.#groups.size === 0 && !this.emitsEmpty) return undefined;
    try {
      const rows = this.#groups.take(window);
      this.#context.metrics.passed += held;
      return { rows, window };
    } catch (error) {
      this.#groups.clear();
      this.#context.fail(error, held);
      return undefined;
    }
  }

  clear(): void {
    this.#context.metrics.filtered += this.#held;
    this.#groups.clear();
    this.#failed = false;
    this.#failure = undefined;
    this.#size = 0;
    this.#held = 0;
  }

  stateBytes(): number {
    return this.#groups.stateBytes();
  }

  snapshot(): Value {
    return [this.#groups.snapshot(), this.#size, this.#failed ? failureToValue(this.#failure) : null, this.#held];
  }

  restore(state: Value): void {
    const [groups, size, failure, held] = state as [Value, number, [Code, string] | null, number];
    this.#groups.restore(groups);
    this.#size = size;
    this.#held = held;
    this.#failed = failure !== null;
    this.#failure = failure === null ? undefined : new RowError(...failure);
  }
}

/** What failed, as a value from which a `RowError` can be made. */
export function failureToValue(failure: unknown): [Code, string] {
  if (failure instanceof RowError) return [failure.code, failure.message];
  return ["E506", failure instanceof Error ? failure.message : String(failure)];
}
