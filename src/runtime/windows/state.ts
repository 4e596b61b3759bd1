/**
 * State windows: from a row that begins a state to a row that ends it, for each partition by itself.
 *
 * With two conditions a row with `begin` opens the window, and the first row after it with `emit` is its last. With one
 * condition each row that meets it opens a window and hands on the one before. Rows outside windows are left out. A
 * condition that fails or is not a boolean counts as false.
 *
 * At the end of the input nothing is handed on: the row that ends the state has not come, so it still lasts. Its rows are
 * forgotten like those outside windows. Neither counts as lost: both are filtered.
 * @module
 */
import type { Bound } from "../../sql/bound.ts";
import type { Condition } from "../../sql/compile/evaluator.ts";
import type { Row } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import { sizeOfEntries } from "../limits/state_size.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";
import { compileWindowCondition } from "./condition.ts";
import type { WindowContent } from "./content.ts";
import { compilePartitionKey } from "./group_table.ts";

export interface StateShape {
  /** `begin` and `emit`, or one condition that is both. */
  readonly conditions: readonly Bound[];
  readonly partitionBy: readonly Bound[];
}

/** The open window of a partition. */
interface OpenState {
  /** The time of the row that opened it. */
  readonly start: number;
  readonly content: WindowContent;
}

export class StateWindow implements Operator {
  readonly #begins: Condition;
  readonly #emits: Condition | undefined;
  readonly #keyOf: (row: Row) => string;
  readonly #createContent: () => WindowContent;
  readonly #context: OperatorContext;
  readonly #output: Output;
  /** By partition; those without an open window are not in it. */
  #open = new Map<string, OpenState>();

  constructor(shape: StateShape, createContent: () => WindowContent, context: OperatorContext, output: Output) {
    const [begin, emit] = shape.conditions;
    this.#begins = compileWindowCondition(begin!, context);
    this.#emits = emit === undefined ? undefined : compileWindowCondition(emit, context);
    this.#keyOf = compilePartitionKey(shape.partitionBy, context);
    this.#createContent = createContent;
    this.#context = context;
    this.#output = output;
  }

  push(batch: Batch): void {
    for (const row of batch.rows) {
      let key: string;
      try {
        key = this.#keyOf(row);
      } catch (error) {
        this.#context.fail(error);
        continue;
      }
      if (this.#emits === undefined) this.#pushToStates(key, row);
      else this.#pushBetween(key, row, this.#emits);
    }
  }

  /** Two conditions. */
  #pushBetween(key: string, row: Row, emits: Condition): void {
    const open = this.#open.get(key);
    if (open === undefined) {
      if (this.#begins(row)) this.#openWith(key, row);
      else this.#context.metrics.filtered++;
      return;
    }
    open.content.add(row);
    if (!emits(row)) return;
    this.#open.delete(key);
    this.#close(open, row.time);
  }

  /** One condition. */
  #pushToStates(key: string, row: Row): void {
    const open = this.#open.get(key);
    if (!this.#begins(row)) {
      if (open === undefined) this.#context.metrics.filtered++;
      else open.content.add(row);
      return;
    }
    this.#openWith(key, row);
    if (open !== undefined) this.#close(open, row.time);
  }

  #openWith(key: string, row: Row): void {
    const content = this.#createContent();
    content.add(row);
    this.#open.set(key, { start: row.time, content });
  }

  #close({ start, content }: OpenState, end: number): void {
    const list = content.close({ start, end, trigger: end });
    if (list !== undefined) this.#output.push(list);
  }

  advance(progress: Progress): void {
    this.#output.advance(progress);
  }

  end(): void {
    for (const { content } of this.#open.values()) content.clear();
    this.#open.clear();
  }

  held(): number {
    let rows = 0;
    for (const { content } of this.#open.values()) rows += content.held;
    return rows;
  }

  stateBytes(): number {
    return sizeOfEntries(this.#open, ({ content }) => content.stateBytes());
  }

  snapshot(): Value {
    return [...this.#open].map(([key, { start, content }]) => [key, start, content.snapshot()]);
  }

  restore(state: Value): void {
    for (const [key, start, rows] of state as [string, number, Value][]) {
      const content = this.#createContent();
      content.restore(rows);
      this.#open.set(key, { start, content });
    }
  }
}
