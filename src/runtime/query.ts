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
import { defaultPlanOptions, type PlanOptions, type SourcePlan, type StatementPlan } from "../sql/plan.ts";
import { Row } from "../value/row.ts";
import { getOwn, type Struct, type Value } from "../value/value.ts";
import { ledgerOfPipeline, type PipelineLedger } from "./ledger.ts";
import { Pipeline } from "./pipeline.ts";
import { planDefinition } from "./plan_rule.ts";
import { propertiesOf, type PropertySetting } from "./properties.ts";
import { RowsLookup } from "./rows_lookup.ts";
import type { RuleDefinition } from "./rule_definition.ts";
import type { StreamDefinition } from "./stream_definition.ts";

export interface QueryOptions extends Partial<PlanOptions> {
  /** Where the virtual clock starts, Unix milliseconds. */
  readonly start: number;
  /** IANA name, or `Local`. */
  readonly timezone: string;
  readonly ruleId?: string;
  /** A float in [0, 1), for `rand()` and the like. */
  readonly random?: () => number;
  /** What `get_keyed_state()` reads. */
  readonly state?: Readonly<Struct>;
  /** What `props()` reads. */
  readonly properties?: Readonly<Record<string, PropertySetting>>;
}

export interface QueryOutput {
  /** A result: one row, or the list of a window. `output` is the index of the sink in a graph, else 0. */
  result(rows: readonly Struct[], output: number): void;
  failed(error: RowError): void;
}

export class Query {
  readonly plan: StatementPlan;
  /** The streams that a graph defines itself, by name. */
  readonly own: ReadonlyMap<string, StreamDefinition>;
  readonly #pipeline: Pipeline;
  /** The content of lookup tables, by the name of the table: it may stand in FROM under several. */
  readonly #lookups = new Map<string, RowsLookup>();
  #now: number;

  /**
   * @param rule a statement, or a rule with one or with a graph
   * @throws {DiagnosticError} when it is wrong.
   */
  constructor(
    rule: string | Pick<RuleDefinition, "sql" | "graph">,
    catalog: Catalog,
    functions: FunctionSet,
    options: QueryOptions,
    output: QueryOutput,
  ) {
    const definition = typeof rule === "string" ? { sql: rule } : rule;
    const planned = planDefinition(definition, catalog, functions, { ...defaultPlanOptions, ...options });
    this.plan = planned.plan;
    this.own = planned.own;
    this.#now = options.start;
    const context: RuleContext = {
      ruleId: options.ruleId ?? "query",
      ruleStart: options.start,
      now: options.start,
      timezone: options.timezone,
      random: options.random ?? Math.random,
      sleep: (ms) => {
        this.#now += ms;
        context.now = this.#now;
        return undefined;
      },
      keyedState: (key) => options.state === undefined ? undefined : getOwn(options.state, key),
      properties: propertiesOf(options.properties ?? {}),
    };
    this.#pipeline = new Pipeline(this.plan, {
      rule: context,
      output: {
        rows: (rows, index) => rows.forEach((row) => output.result([row], index)),
        list: (rows, _ofEmptyWindow, index) => output.result(rows, index),
        failed: (error) => output.failed(error),
      },
      lookup: ({ table, keys }) => this.#lookupOf(table.name).keyed(keys.map((key) => key.column)),
    });
  }

  /** The virtual clock, Unix milliseconds. */
  get now(): number {
    return this.#now;
  }

  /**
   * The streams and tables it reads, by position in FROM, with the columns that it needs of each; a decoder may leave out
   * all others.
   */
  get sources(): readonly SourcePlan[] {
    return this.#pipeline.sources;
  }

  /**
   * Rows that arrive at `time`; without one, now. Time never goes back. `source` is the position of their stream or table
   * in FROM; what a lookup table gets is what it can be asked for.
   */
  push(rows: readonly Struct[], time = this.#now, meta?: Struct, source = 0): void {
    const pushed = this.sources[source]!;
    if (pushed.schema.kind === "lookup_table") {
      this.#lookupOf(pushed.name).add(rows);
      return;
    }
    this.advance(time);
    const positions = this.sources.filter(({ name }) => name === pushed.name).map(({ position }) => position);
    this.#pipeline.pushAt(positions, rows.map((values) => new Row(values, this.#now, meta)), this.#now);
  }

  #lookupOf(name: string): RowsLookup {
    let lookup = this.#lookups.get(name);
    if (lookup === undefined) this.#lookups.set(name, lookup = new RowsLookup());
    return lookup;
  }

  /** Lets the clock run to `time`, stopping wherever an operator waits for it. */
  advance(time: number): void {
    // A rule that was held up has missed what was due meanwhile.
    if (this.#pipeline.deadline() < this.#now) this.#pipeline.advance(this.#now);
    for (let due = this.#pipeline.deadline(); due <= time && due > this.#now; due = this.#pipeline.deadline()) {
      this.#now = due;
      this.#pipeline.advance(due);
    }
    this.#now = Math.max(this.#now, time);
  }

  /** The end of the input. A promise where something waits for an answer from elsewhere. */
  end(): Promise<void> | undefined {
    return this.#pipeline.end(this.#now);
  }

  /** Resolves when what was pushed has gone through; undefined when it has. */
  settled(): Promise<void> | undefined {
    return this.#pipeline.settled();
  }

  /** Rows dropped without an error, by reason. */
  dropped(): Map<string, number> {
    const all = new Map<string, number>();
    for (const { metrics } of this.#pipeline.nodes) {
      for (const [reason, count] of metrics.dropped) all.set(reason, (all.get(reason) ?? 0) + count);
    }
    return all;
  }

  /** What became of every row. */
  ledger(): PipelineLedger {
    return ledgerOfPipeline(this.#pipeline);
  }

  /** Gives back what it holds outside of itself; nothing may be pushed any more. */
  close(): void {
    this.#pipeline.close();
  }

  snapshot(): Value {
    return this.#pipeline.snapshot();
  }

  restore(state: Value): void {
    this.#pipeline.restore(state);
  }
}
