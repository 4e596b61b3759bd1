/**
 * `row_number()`: numbers the rows or groups of a list from 1, in their order or, with OVER, partition by partition; a
 * single row gets 1. Where several calls order the rows, the last one decides.
 *
 * Partitions come in the order of their keys: numbers by value, all else by the bytes of its plain text, nulls last.
 * @module
 */
import type { BoundRowNumber } from "../../sql/bound.ts";
import { compileExpression } from "../../sql/compile/compile.ts";
import type { CompileContext, Evaluator } from "../../sql/compile/evaluator.ts";
import type { RowNumberPlan } from "../../sql/plan.ts";
import { plainText } from "../../value/plain_text.ts";
import type { Row } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";
import { compareSortables, compileSort, type Sortable } from "../sort_rows.ts";
import { compilePartitionKey } from "../windows/group_table.ts";

interface Partition {
  readonly keys: readonly Sortable[];
  readonly rows: Row[];
}

/** One call: puts the rows in its order and the numbers in its slot. */
class Numbering {
  readonly #slot: number;
  readonly #keyOf: ((row: Row) => string) | undefined;
  readonly #keys: readonly Evaluator[];
  readonly #sort: ((rows: readonly Row[]) => Row[]) | undefined;

  constructor({ slot, partitionBy, orderBy }: BoundRowNumber, context: CompileContext) {
    this.#slot = slot;
    this.#keyOf = partitionBy.length === 0 ? undefined : compilePartitionKey(partitionBy, context);
    this.#keys = partitionBy.map((bound) => compileExpression(bound, context));
    this.#sort = orderBy.length === 0 ? undefined : compileSort(orderBy, context);
  }

  run(rows: Row[]): Row[] {
    const ordered = this.#sort === undefined ? rows : this.#sort(rows);
    if (this.#keyOf === undefined) {
      this.#number(ordered);
      return ordered;
    }
    const partitions = new Map<string, Partition>();
    for (const row of ordered) {
      const key = this.#keyOf(row);
      let partition = partitions.get(key);
      if (partition === undefined) {
        partition = { keys: this.#keys.map((evaluate) => partitionKey(evaluate(row))), rows: [] };
        partitions.set(key, partition);
      }
      partition.rows.push(row);
    }
    return [...partitions.values()].sort(comparePartitions).flatMap((partition) => {
      this.#number(partition.rows);
      return partition.rows;
    });
  }

  #number(rows: readonly Row[]): void {
    for (const [i, row] of rows.entries()) (row.slots ??= [])[this.#slot] = BigInt(i + 1);
  }
}

function partitionKey(value: Value): Sortable {
  if (value === null || value === undefined) return null;
  return typeof value === "number" || typeof value === "bigint" ? value : plainText(value);
}

function comparePartitions(a: Partition, b: Partition): number {
  for (let i = 0; i < a.keys.length; i++) {
    const order = compareSortables(a.keys[i]!, b.keys[i]!, false);
    if (order !== 0) return order;
  }
  return 0;
}

export class RowNumberOperator implements Operator {
  readonly #numberings: readonly Numbering[];
  readonly #context: OperatorContext;
  readonly #output: Output;

  constructor(plan: RowNumberPlan, context: OperatorContext, output: Output) {
    this.#numberings = plan.calls.map((call) => new Numbering(call, context));
    this.#context = context;
    this.#output = output;
  }

  push(batch: Batch): void {
    if (batch.window !== undefined) {
      const rows = this.#run(batch.rows);
      if (rows !== undefined) this.#output.push({ rows, window: batch.window });
      return;
    }
    const rows = batch.rows.flatMap((row) => this.#run([row]) ?? []);
    if (rows.length > 0) this.#output.push({ rows, window: undefined });
  }

  #run(rows: Row[]): Row[] | undefined {
    try {
      return this.#numberings.reduce((ordered, numbering) => numbering.run(ordered), rows);
    } catch (error) {
      this.#context.fail(error);
      return undefined;
    }
  }

  advance(progress: Progress): void {
    this.#output.advance(progress);
  }
}
