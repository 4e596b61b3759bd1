/**
 * A plan as running operators: the nodes are wired from the result back to the source.
 *
 * An operator's own file says what it does; this one only knows which class serves which plan node.
 * @module
 */
import { RowError } from "../diagnostics/row_error.ts";
import type { CompileContext } from "../sql/compile/evaluator.ts";
import type { RuleContext } from "../sql/functions/declare.ts";
import type { Plan, ProjectPlan, SourcePlan, StatementPlan } from "../sql/plan.ts";
import { NodeMetrics } from "../telemetry/node_metrics.ts";
import type { Row } from "../value/row.ts";
import type { Value } from "../value/value.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "./operator.ts";
import { AggregateOperator } from "./operators/aggregate.ts";
import { AnalyticOperator } from "./operators/analytic.ts";
import { FilterOperator } from "./operators/filter.ts";
import { HavingOperator } from "./operators/having.ts";
import { ListAggregateOperator } from "./operators/list_aggregate.ts";
import { OrderOperator } from "./operators/order.ts";
import { ProjectOperator, type Results } from "./operators/project.ts";
import { WatermarkOperator } from "./operators/watermark.ts";
import { createWindow } from "./windows/create.ts";

/** Where a pipeline's results and errors go. */
export interface PipelineOutput extends Results {
  /** A row or list that failed, after it was counted. `node` is the failing operator's type. */
  failed(error: RowError, node: string): void;
  /** Rows left out for a reason that is not an error, after they were counted. */
  dropped?(reason: string, count: number, node: string): void;
}

/** One operator with its name in the status and its counters. */
export interface PipelineNode {
  /** The operator's type in status keys: `filter`, `project` … */
  readonly type: string;
  readonly operator: Operator;
  readonly metrics: NodeMetrics;
}

/** The names that eKuiper's status gives to operators. */
const typeNames: Readonly<Record<Exclude<Plan["kind"], "source">, string>> = {
  watermark: "watermark",
  analytic: "analytic",
  filter: "filter",
  window: "window",
  list_aggregate: "agg_func",
  aggregate: "aggregate",
  windowed_aggregate: "inc_agg_window",
  having: "having",
  order: "order",
  project: "project",
};

export class Pipeline {
  /** From the source to the result. */
  readonly nodes: readonly PipelineNode[];
  readonly source: SourcePlan;
  readonly #head: Output;
  readonly #rule: RuleContext;
  #watermark = -Infinity;

  constructor(plan: StatementPlan, rule: RuleContext, output: PipelineOutput) {
    const nodes: PipelineNode[] = [];
    this.#rule = rule;
    this.source = sourceOf(plan.root);
    this.#head = build(plan.root, undefined, nodes, { rule, changingSlots: plan.changingSlots }, output, {
      behindMs: 0,
    });
    this.nodes = nodes.reverse();
  }

  /** Pushes rows that arrived by `now`, oldest first. */
  push(rows: Row[], now: number): void {
    this.advance(now);
    if (rows.length > 0) this.#head.push({ rows, window: undefined });
  }

  /** Tells how far processing time has come, and optionally the watermark: Infinity at the end of the input. */
  advance(now: number, watermark = -Infinity): void {
    this.#rule.now = now;
    this.#watermark = Math.max(this.#watermark, watermark);
    this.#head.advance({ processing: now, watermark: this.#watermark });
  }

  /** No more input: what operators hold back comes out, the open windows included. */
  end(now: number): void {
    this.#rule.now = now;
    for (const { operator } of this.nodes) operator.end?.();
    for (const [i, { metrics }] of this.nodes.slice(0, -1).entries()) {
      metrics.recordsOut = this.nodes[i + 1]!.metrics.recordsIn;
    }
  }

  /** Counts what operators hold back as dropped, since it is given up; returns how much it is. */
  abandon(reason: string): number {
    let all = 0;
    for (const { operator, metrics } of this.nodes) {
      const held = operator.held?.() ?? 0;
      if (held > 0) metrics.drop(reason, held);
      all += held;
    }
    return all;
  }

  /** The processing time at which {@linkcode advance} must be called next, or Infinity. */
  deadline(): number {
    let earliest = Infinity;
    for (const { operator } of this.nodes) earliest = Math.min(earliest, operator.deadline?.() ?? Infinity);
    return earliest;
  }

  /** The state of every operator, by position; null for those without. */
  snapshot(): Value {
    return this.nodes.map(({ operator }) => operator.snapshot?.() ?? null);
  }

  restore(state: Value): void {
    for (const [i, { operator }] of this.nodes.entries()) {
      const own = (state as Value[])[i];
      if (own !== null && own !== undefined) operator.restore?.(own);
    }
  }
}

function sourceOf(plan: Plan): SourcePlan {
  let node = plan;
  while (node.kind !== "source") node = node.input;
  return node;
}

/** Builds the operators of `plan` and what stands before it; returns the first one. `nodes` grows from the result. */
function build(
  plan: Plan,
  output: Output | undefined,
  nodes: PipelineNode[],
  compile: CompileContext,
  results: PipelineOutput,
  timing: Timing,
): Output {
  const { rule } = compile;
  if (plan.kind === "source") return output!;
  const type = plan.kind === "filter" && plan.clause === "window" ? "windowFilter" : typeNames[plan.kind];
  const metrics = new NodeMetrics();
  const context: OperatorContext = {
    ...compile,
    fail(error) {
      // Anything but a row error is a mistake of ours; the rule lives on all the same.
      const rowError = error instanceof RowError
        ? error
        : new RowError("E506", `Internal error in ${type}: ${String(error)}`, { cause: error });
      metrics.fail(`${rowError.code}: ${rowError.message}`, rule.now);
      results.failed(rowError, type);
    },
    drop(reason, count) {
      metrics.drop(reason, count);
      results.dropped?.(reason, count, type);
    },
  };
  const operator = create(plan, context, output, metrics, results);
  const counted = new CountedOperator(operator, metrics, rule, timing);
  nodes.push({ type, operator, metrics });
  const previous = nodes.at(-2)?.metrics;
  if (output !== undefined && previous !== undefined) {
    // What one operator gives is what the next one takes; the project counts its own results.
    counted.next = previous;
  }
  return build(plan.input, counted, nodes, compile, results, timing);
}

function create(
  plan: Exclude<Plan, SourcePlan>,
  context: OperatorContext,
  output: Output | undefined,
  metrics: NodeMetrics,
  results: PipelineOutput,
): Operator {
  switch (plan.kind) {
    case "project":
      return createProject(plan, context, metrics, results);
    case "watermark":
      return new WatermarkOperator(plan, context, output!);
    case "analytic":
      return new AnalyticOperator(plan, context, output!);
    case "filter":
      return new FilterOperator(plan, context, output!);
    case "window":
    case "windowed_aggregate":
      return createWindow(plan, context, output!);
    case "list_aggregate":
      return new ListAggregateOperator(plan, context, output!);
    case "aggregate":
      return new AggregateOperator(plan, context, output!);
    case "having":
      return new HavingOperator(plan, context, output!);
    case "order":
      return new OrderOperator(plan, context, output!);
    default:
      return plan satisfies never;
  }
}

function createProject(
  plan: ProjectPlan,
  context: OperatorContext,
  metrics: NodeMetrics,
  results: PipelineOutput,
): Operator {
  const counted: Results = {
    rows(rows) {
      metrics.recordsOut += rows.length;
      results.rows(rows);
    },
    list(rows, ofEmptyWindow) {
      metrics.recordsOut++;
      results.list(rows, ofEmptyWindow);
    },
  };
  return new ProjectOperator(plan, context, counted);
}

/** The time that the operators behind the one that runs have taken so far, in milliseconds. */
interface Timing {
  behindMs: number;
}

/** Counts what goes through an operator. */
class CountedOperator implements Output {
  readonly #operator: Operator;
  readonly #metrics: NodeMetrics;
  readonly #rule: RuleContext;
  /** The counters of the operator behind; undefined for the last one. */
  next: NodeMetrics | undefined;
  /** Shared by all operators of a pipeline. */
  readonly timing: Timing;

  constructor(operator: Operator, metrics: NodeMetrics, rule: RuleContext, timing: Timing) {
    this.timing = timing;
    this.#operator = operator;
    this.#metrics = metrics;
    this.#rule = rule;
  }

  push(batch: Batch): void {
    const metrics = this.#metrics;
    const count = batch.window === undefined ? batch.rows.length : 1;
    metrics.recordsIn += count;
    metrics.lastInvocation = this.#rule.now;
    // Operators run inside each other: what the ones behind take is not this one's.
    const { timing } = this;
    const outer = timing.behindMs;
    timing.behindMs = 0;
    const started = performance.now();
    this.#operator.push(batch);
    const tookMs = performance.now() - started;
    metrics.latencyUs = Math.round((tookMs - timing.behindMs) * 1000);
    timing.behindMs = outer + tookMs;
    metrics.processed += count;
    if (this.next !== undefined) metrics.recordsOut = this.next.recordsIn;
  }

  advance(progress: Progress): void {
    this.#operator.advance(progress);
    if (this.next !== undefined) this.#metrics.recordsOut = this.next.recordsIn;
  }
}
