/**
 * Analytic functions: run on every row before any filter, results left in the row's slots.
 *
 * State is one value per call and partition. A row on which a call fails is dropped; calls that stand before the
 * failing one have seen it.
 * @module
 */
import type { BoundAnalytic } from "../../sql/bound.ts";
import { compileArguments, functionError } from "../../sql/compile/calls.ts";
import { compileExpression } from "../../sql/compile/compile.ts";
import type { CompileContext, Evaluator } from "../../sql/compile/evaluator.ts";
import type { AnalyticPlan } from "../../sql/plan.ts";
import type { Row } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import { type HitCounter, hitCounterFor, withHits } from "../hit_counter.ts";
import { sizeOfEntries, sizeOfValue } from "../limits/state_size.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";
import { compilePartitionKey } from "../windows/group_table.ts";

type Stepped = { readonly state: Value; readonly result: Value };
type Step = (state: Value, active: boolean, ...args: Value[]) => Stepped;

/** The step with its arguments evaluated; the common arities without an array per row. */
function applied(step: Step, args: readonly Evaluator[]): (state: Value, active: boolean, row: Row) => Stepped {
  const [a, b, c] = args;
  switch (args.length) {
    case 1:
      return (state, active, row) => step(state, active, a!(row));
    case 2:
      return (state, active, row) => step(state, active, a!(row), b!(row));
    case 3:
      return (state, active, row) => step(state, active, a!(row), b!(row), c!(row));
    default:
      return (state, active, row) => step(state, active, ...args.map((evaluate) => evaluate(row)));
  }
}

class AnalyticCall {
  readonly #slot: number;
  /** The source whose rows it sees; undefined for all rows. */
  readonly owner: number | undefined;
  readonly #name: string;
  readonly #when: Evaluator | undefined;
  /** Of WHEN. */
  readonly #hits: HitCounter | undefined;
  readonly #keyOf: (row: Row) => string;
  readonly #init: () => Value;
  readonly #step: (state: Value, active: boolean, row: Row) => Stepped;
  #states = new Map<string, Value>();

  constructor(bound: BoundAnalytic, owner: number | undefined, context: CompileContext) {
    const { fn } = bound;
    this.owner = owner;
    this.#slot = bound.slot;
    this.#name = fn.name;
    this.#hits = hitCounterFor(bound.when);
    this.#when = bound.when === undefined ? undefined : compileExpression(bound.when, withHits(context, this.#hits));
    this.#keyOf = compilePartitionKey(bound.partitionBy, context);
    this.#init = () => fn.init();
    const args = compileArguments(fn, bound.args, context, (part) => compileExpression(part, context));
    this.#step = applied(fn.step as Step, args);
  }

  run(row: Row): void {
    const key = this.#keyOf(row);
    const known = this.#states.get(key);
    const active = this.#when === undefined || this.#when(row) === true;
    try {
      const { state, result } = this.#step(known === undefined ? this.#init() : known, active, row);
      // Most functions change their state in place.
      if (state !== known) this.#states.set(key, state);
      if (active) this.#hits?.pass(row.time);
      (row.slots ??= [])[this.#slot] = result ?? null;
    } catch (error) {
      throw functionError(this.#name, error);
    }
  }

  stateBytes(): number {
    return sizeOfEntries(this.#states, sizeOfValue);
  }

  snapshot(): Value {
    return [[...this.#states].map(([key, state]) => [key, state]), this.#hits?.snapshot() ?? null];
  }

  restore(state: Value): void {
    const [states, hits] = state as [[string, Value][], Value];
    this.#states = new Map(states);
    if (hits !== null) this.#hits?.restore(hits);
  }
}

export class AnalyticOperator implements Operator {
  readonly #calls: readonly AnalyticCall[];
  readonly #context: OperatorContext;
  readonly #output: Output;

  constructor(plan: AnalyticPlan, context: OperatorContext, output: Output) {
    this.#calls = plan.calls.map((call, i) => new AnalyticCall(call, plan.owners[i], context));
    this.#context = context;
    this.#output = output;
  }

  push(batch: Batch): void {
    const kept: Row[] = [];
    for (const row of batch.rows) {
      try {
        for (const call of this.#calls) if (call.owner === undefined || call.owner === row.source) call.run(row);
        kept.push(row);
      } catch (error) {
        this.#context.fail(error);
        // A list, as nodes of a graph may give it to analytic functions, is dropped as a whole.
        if (batch.window !== undefined) return;
      }
    }
    if (kept.length > 0 || batch.window !== undefined) this.#output.push({ rows: kept, window: batch.window });
  }

  advance(progress: Progress): void {
    this.#output.advance(progress);
  }

  stateBytes(): number {
    return this.#calls.reduce((bytes, call) => bytes + call.stateBytes(), 0);
  }

  snapshot(): Value {
    return this.#calls.map((call) => call.snapshot());
  }

  restore(state: Value): void {
    for (const [i, call] of this.#calls.entries()) call.restore((state as Value[])[i]);
  }
}
