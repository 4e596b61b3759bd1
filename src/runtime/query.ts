/**
 * One statement over rows at hand, with a virtual clock: the engine of `weir query`, golden cases and rule tests.
 *
 * The rows are pushed with the times they shall arrive at; nothing waits for real time, and at the end of the input
 * the open windows are closed.
 * @module
 */
import type { RowError } from "../diagnostics/row_error.ts";
import type { Catalog, FunctionSet } from "../sql/catalog.ts";
import type { RuleContext } from "../sql/functions/declare.ts";
import { defaultPlanOptions, type PlanOptions, type StatementPlan } from "../sql/plan.ts";
import { prepareSelect } from "../sql/prepare.ts";
import { Row } from "../value/row.ts";
import type { Struct, Value } from "../value/value.ts";
import { Pipeline } from "./pipeline.ts";

export interface QueryOptions extends Partial<PlanOptions> {
  /** Where the virtual clock starts, Unix milliseconds. */
  readonly start: number;
  /** IANA name, or `Local`. */
  readonly timezone: string;
  readonly ruleId?: string;
  /** A float in [0, 1), for `rand()` and the like. */
  readonly random?: () => number;
}

export interface QueryOutput {
  /** A result: one row, or the list of a window. */
  result(rows: readonly Struct[]): void;
  failed(error: RowError): void;
}

export class Query {
  readonly plan: StatementPlan;
  readonly #pipeline: Pipeline;
  #now: number;

  /** @throws {DiagnosticError} when the statement is wrong. */
  constructor(sql: string, catalog: Catalog, functions: FunctionSet, options: QueryOptions, output: QueryOutput) {
    this.plan = prepareSelect(sql, catalog, functions, { ...defaultPlanOptions, ...options });
    this.#now = options.start;
    const rule: RuleContext = {
      ruleId: options.ruleId ?? "query",
      ruleStart: options.start,
      now: options.start,
      timezone: options.timezone,
      random: options.random ?? Math.random,
    };
    this.#pipeline = new Pipeline(this.plan, rule, {
      rows: (rows) => rows.forEach((row) => output.result([row])),
      list: (rows) => output.result(rows),
      failed: (error) => output.failed(error),
    });
  }

  /** The virtual clock, Unix milliseconds. */
  get now(): number {
    return this.#now;
  }

  /** The columns of its stream that the statement needs; a decoder may leave out all others. */
  get columns(): ReadonlySet<string> | "all" {
    return this.#pipeline.source.columns;
  }

  /** Rows that arrive at `time`; without one, now. Time never goes back. */
  push(rows: readonly Struct[], time = this.#now, meta?: Struct): void {
    this.advance(time);
    this.#pipeline.push(rows.map((values) => new Row(values, this.#now, meta)), this.#now);
  }

  /** Lets the clock run to `time`, stopping wherever an operator waits for it. */
  advance(time: number): void {
    for (let due = this.#pipeline.deadline(); due <= time && due > this.#now; due = this.#pipeline.deadline()) {
      this.#now = due;
      this.#pipeline.advance(due);
    }
    this.#now = Math.max(this.#now, time);
  }

  /** The end of the input. */
  end(): void {
    this.#pipeline.end(this.#now);
  }

  /** Rows dropped without an error, by reason. */
  dropped(): Map<string, number> {
    const all = new Map<string, number>();
    for (const { metrics } of this.#pipeline.nodes) {
      for (const [reason, count] of metrics.dropped) all.set(reason, (all.get(reason) ?? 0) + count);
    }
    return all;
  }

  snapshot(): Value {
    return this.#pipeline.snapshot();
  }

  restore(state: Value): void {
    this.#pipeline.restore(state);
  }
}
