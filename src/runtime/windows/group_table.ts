/**
 * Groups of rows with running aggregates: one entry per group, in order of first appearance.
 * @module
 */
import type { Bound, BoundAggregate } from "../../sql/bound.ts";
import { compileArguments, functionError } from "../../sql/compile/calls.ts";
import { compileExpression } from "../../sql/compile/compile.ts";
import type { CompileContext, Evaluator } from "../../sql/compile/evaluator.ts";
import { plainText } from "../../value/plain_text.ts";
import { Row, type WindowSpan } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import { sizeOfEntries, sizeOfRow, sizeOfValue } from "../limits/state_size.ts";
import { rowFromValue, rowToValue } from "../row_state.ts";
import { copyRow } from "./copy_row.ts";

interface Group {
  /** The first row: columns that are not aggregated come from it. */
  readonly first: Row;
  readonly states: Value[];
}

export interface CompiledAggregate {
  readonly slot: number;
  readonly name: string;
  init(): Value;
  add(state: Value, row: Row): Value;
  result(state: Value): Value;
  /** See `AggregateDefinition.merge`; undefined where the function has none. */
  readonly merge: ((left: Value, right: Value) => Value) | undefined;
}

export function compileAggregate(bound: BoundAggregate, context: CompileContext): CompiledAggregate {
  const { fn } = bound;
  const args = compileArguments(fn, bound.args, context, (part) => compileExpression(part, context));
  const add = fn.add as (state: Value, ...args: Value[]) => Value;
  const [first] = args;
  return {
    slot: bound.slot,
    name: fn.name,
    init: () => fn.init(),
    add: args.length === 1
      ? (state, row) => add(state, first!(row))
      : (state, row) => add(state, ...args.map((evaluate) => evaluate(row))),
    result: (state) => fn.result(state),
    merge: fn.merge?.bind(fn),
  };
}

const nullKey = "\u0000";

/** The plain text of a key; null gives a text that no other value has. */
function keyText(value: Value): string {
  if (typeof value === "string") return value.startsWith(nullKey) ? nullKey + value : value;
  return value === null || value === undefined ? nullKey : plainText(value);
}

/**
 * The text that rows of one group have in common: ints, floats and strings that read the same are the same. The texts of
 * several expressions are joined with commas, as rules of eKuiper have it, so ("a,b", "c") and ("a", "b,c") are one group.
 */
export function compileGroupKey(groupBy: readonly Bound[], context: CompileContext): (row: Row) => string {
  const parts: Evaluator[] = groupBy.map((bound) => compileExpression(bound, context));
  const [first, ...others] = parts;
  if (first === undefined) return () => "";
  if (others.length === 0) return (row) => keyText(first(row));
  return (row) => {
    let key = keyText(first(row));
    for (const evaluate of others) key += `,${keyText(evaluate(row))}`;
    return key;
  };
}

/** The text that rows of one PARTITION BY have in common: as of groups, but other values are always another text. */
export function compilePartitionKey(partitionBy: readonly Bound[], context: CompileContext): (row: Row) => string {
  const parts: Evaluator[] = partitionBy.map((bound) => compileExpression(bound, context));
  const [first] = parts;
  if (first === undefined) return () => "";
  if (parts.length === 1) return (row) => keyText(first(row));
  // Lengths in front keep ("ab", "c") from ("a", "bc").
  return (row) => {
    let key = "";
    for (const evaluate of parts) {
      const text = keyText(evaluate(row));
      key += `${text.length}:${text}`;
    }
    return key;
  };
}

/**
 * What leaves a group: a row with the columns of its first row and the aggregates' results in their slots.
 *
 * @throws {RowError} when an aggregate has no result for its state.
 */
export function resultRow(
  first: Row,
  states: readonly Value[],
  aggregates: readonly CompiledAggregate[],
  changingSlots: readonly number[],
  window: WindowSpan | undefined,
): Row {
  const row = copyRow(first, changingSlots, window);
  const slots = row.slots ??= [];
  for (let i = 0; i < states.length; i++) {
    const aggregate = aggregates[i]!;
    try {
      slots[aggregate.slot] = aggregate.result(states[i]) ?? null;
    } catch (error) {
      throw functionError(aggregate.name, error);
    }
  }
  return row;
}

/** The one row of a window without rows, where there are no group expressions: all its aggregates are null. */
export function rowOfNone(window: WindowSpan | undefined): Row {
  const row = new Row({}, window?.trigger ?? 0);
  row.window = window;
  return row;
}

/** What tables of the same groups and aggregates have in common. */
export interface CompiledGroups {
  readonly grouped: boolean;
  readonly keyOf: (row: Row) => string;
  readonly aggregates: readonly CompiledAggregate[];
  readonly changingSlots: readonly number[];
}

export function compileGroups(
  groupBy: readonly Bound[],
  aggregates: readonly BoundAggregate[],
  context: CompileContext,
): CompiledGroups {
  return {
    grouped: groupBy.length > 0,
    keyOf: compileGroupKey(groupBy, context),
    aggregates: aggregates.map((a) => compileAggregate(a, context)),
    changingSlots: context.changingSlots,
  };
}

export class GroupTable {
  readonly #compiled: CompiledGroups;
  #groups = new Map<string, Group>();

  constructor(compiled: CompiledGroups) {
    this.#compiled = compiled;
  }

  /** True when there are group expressions; without them all rows are one group. */
  get grouped(): boolean {
    return this.#compiled.grouped;
  }

  get size(): number {
    return this.#groups.size;
  }

  /** @throws {RowError} when a key or an argument cannot be evaluated, or an aggregate refuses the value. */
  add(row: Row): void {
    const { keyOf, aggregates } = this.#compiled;
    const key = keyOf(row);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { first: row, states: aggregates.map((a) => a.init()) };
      this.#groups.set(key, group);
    }
    const { states } = group;
    for (let i = 0; i < states.length; i++) {
      const aggregate = aggregates[i]!;
      try {
        states[i] = aggregate.add(states[i], row);
      } catch (error) {
        throw functionError(aggregate.name, error);
      }
    }
  }

  /**
   * One row a group, with the results in their slots, and an empty table after it. Without group expressions there is
   * always one row; for an empty window all its aggregates are null.
   */
  take(window: WindowSpan | undefined): Row[] {
    const { aggregates, changingSlots } = this.#compiled;
    const rows: Row[] = [];
    for (const { first, states } of this.#groups.values()) {
      rows.push(resultRow(first, states, aggregates, changingSlots, window));
    }
    if (rows.length === 0 && !this.grouped) rows.push(rowOfNone(window));
    this.clear();
    return rows;
  }

  clear(): void {
    this.#groups = new Map();
  }

  stateBytes(): number {
    return sizeOfEntries(this.#groups, ({ first, states }) => sizeOfRow(first) + sizeOfValue(states));
  }

  snapshot(): Value {
    return [...this.#groups].map(([key, group]) => [key, rowToValue(group.first), group.states]);
  }

  restore(state: Value): void {
    this.#groups = new Map(
      (state as [string, Value, Value[]][]).map((
        [key, first, states],
      ) => [key, { first: rowFromValue(first), states }]),
    );
  }
}
