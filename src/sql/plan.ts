/**
 * The plan: what a statement does, as a chain of frozen data nodes from the source to the projection.
 *
 * The order of the nodes is the dialect's order of evaluation. `EXPLAIN` prints the plan; the pipeline is built from it.
 * @module
 */
import { type Diagnostic, diagnostic, throwIfAny } from "../diagnostics/diagnostic.ts";
import type { AnalyzedSelect, OutputItem } from "./analyze/analyze.ts";
import type { WindowSpec } from "./analyze/windows.ts";
import { compilePattern } from "../value/datetime_text.ts";
import { aggregateSlots, type Bound, type BoundAggregate, type BoundAnalytic, hasAggregate } from "./bound.ts";
import type { SourceSchema } from "./catalog.ts";

/** The rule options that change what a plan looks like. */
export interface PlanOptions {
  readonly isEventTime: boolean;
  /** Milliseconds. */
  readonly lateTolerance: number;
  readonly sendNilField: boolean;
  /** Adds the row's metadata as the column `__meta`. */
  readonly sendMetaToSink: boolean;
}

export const defaultPlanOptions: PlanOptions = {
  isEventTime: false,
  lateTolerance: 1000,
  sendNilField: false,
  sendMetaToSink: false,
};

/** Reads one stream. `columns` are those the statement needs. */
export interface SourcePlan {
  readonly kind: "source";
  readonly name: string;
  readonly schema: SourceSchema;
  readonly columns: ReadonlySet<string> | "all";
}

/** Takes event time from the timestamp column, holds rows back until the watermark, drops late ones. */
export interface WatermarkPlan {
  readonly kind: "watermark";
  readonly input: Plan;
  readonly timestamp: string;
  readonly timestampFormat: string | undefined;
  readonly lateTolerance: number;
}

/** Runs the analytic functions of the whole statement on every row, before any filter. */
export interface AnalyticPlan {
  readonly kind: "analytic";
  readonly input: Plan;
  readonly calls: readonly BoundAnalytic[];
}

/** Keeps the rows for which the condition is true. */
export interface FilterPlan {
  readonly kind: "filter";
  readonly input: Plan;
  readonly condition: Bound;
  /** `window` is FILTER of a window, `where` is WHERE. */
  readonly clause: "where" | "window";
  /** Set when the input are lists of a window, which are then filtered row by row. */
  readonly ofLists: boolean;
}

/** Collects rows and hands them on as lists. */
export interface WindowPlan {
  readonly kind: "window";
  readonly input: Plan;
  readonly spec: WindowSpec;
  readonly eventTime: boolean;
}

/**
 * Aggregates over the whole list, or the single row, of which every row gets the results: those of WHERE, and those of
 * HAVING and ORDER BY when the result is not aggregated.
 */
export interface WindowAggregatePlan {
  readonly kind: "list_aggregate";
  readonly input: Plan;
  readonly aggregates: readonly BoundAggregate[];
}

/** Groups each list (or each single row) and computes aggregates: one row a group. */
export interface AggregatePlan {
  readonly kind: "aggregate";
  readonly input: Plan;
  readonly groupBy: readonly Bound[];
  readonly aggregates: readonly BoundAggregate[];
}

/** A window that keeps running aggregates per group instead of rows. */
export interface WindowedAggregatePlan {
  readonly kind: "windowed_aggregate";
  readonly input: Plan;
  readonly spec: WindowSpec;
  readonly eventTime: boolean;
  /** WHERE that the dialect applies after the window; rows it refuses keep the window from being empty. */
  readonly condition: Bound | undefined;
  readonly groupBy: readonly Bound[];
  readonly aggregates: readonly BoundAggregate[];
}

export interface HavingPlan {
  readonly kind: "having";
  readonly input: Plan;
  readonly condition: Bound;
  /** With group expressions each group is judged, without them the whole window. */
  readonly perGroup: boolean;
}

export interface OrderPlan {
  readonly kind: "order";
  readonly input: Plan;
  readonly by: readonly { readonly expr: Bound; readonly descending: boolean }[];
}

/** The select list. */
export interface ProjectPlan {
  readonly kind: "project";
  readonly input: Plan;
  readonly items: readonly OutputItem[];
  readonly limit: number | undefined;
  readonly sendNilField: boolean;
  readonly sendMeta: boolean;
}

export type Plan =
  | SourcePlan
  | WatermarkPlan
  | AnalyticPlan
  | FilterPlan
  | WindowPlan
  | WindowAggregatePlan
  | AggregatePlan
  | WindowedAggregatePlan
  | HavingPlan
  | OrderPlan
  | ProjectPlan;

/** A plan with what the whole statement needs to know. */
export interface StatementPlan {
  readonly root: Plan;
  readonly slotCount: number;
  /** Slots that are emptied where a row leaves a window or is given the results of aggregates. */
  readonly changingSlots: readonly number[];
  /** Names of the streams and tables it reads, in the order of FROM. */
  readonly sources: readonly string[];
  /** True when rows must carry the metadata of their source. */
  readonly usesMeta: boolean;
}

/**
 * Makes the plan of a statement.
 *
 * @throws {DiagnosticError} E301 for what this version cannot run, E302 for event time without a timestamp.
 */
export function planSelect(analyzed: AnalyzedSelect, options: PlanOptions, text?: string): StatementPlan {
  // State windows have partitions instead of groups.
  const select = analyzed.window?.type === "state" ? { ...analyzed, groupBy: [] } : analyzed;
  const diagnostics: Diagnostic[] = [];
  refuseUnsupported(select, diagnostics);
  const source = select.sources[0]!;
  if (options.isEventTime && source.schema.timestamp === undefined) {
    diagnostics.push(diagnostic("E302", `Event time needs the TIMESTAMP option on stream "${source.name}"`, {
      hint: 'create the stream WITH (…, TIMESTAMP="column")',
    }));
  }
  checkTimestampFormat(source.schema, options, diagnostics);
  const groups = select.window !== undefined || select.groupBy.length > 0;
  if (options.sendMetaToSink && (groups || select.sources.length > 1)) {
    diagnostics.push(diagnostic("E303", "sendMetaToSink cannot be combined with GROUP BY or several sources"));
  }
  throwIfAny(diagnostics, text);

  let plan: Plan = {
    kind: "source",
    name: source.name,
    schema: source.schema,
    columns: wantedColumns(select, options),
  };
  if (options.isEventTime) {
    plan = {
      kind: "watermark",
      input: plan,
      timestamp: source.schema.timestamp!,
      timestampFormat: source.schema.timestampFormat,
      lateTolerance: options.lateTolerance,
    };
  }
  if (select.analytics.length > 0) plan = { kind: "analytic", input: plan, calls: select.analytics };

  const { early, late } = splitWhere(select, options);
  const { window } = select;
  if (early !== undefined && window !== undefined) plan = filter(plan, early, false);
  if (window?.filter !== undefined) {
    plan = { kind: "filter", input: plan, condition: window.filter, clause: "window", ofLists: false };
  }
  if (window !== undefined) plan = { kind: "window", input: plan, spec: window, eventTime: options.isEventTime };
  const inWhere = aggregatesOf(select, select.where === undefined ? [] : [select.where]);
  if (inWhere.length > 0) plan = { kind: "list_aggregate", input: plan, aggregates: inWhere };
  if (late !== undefined) plan = filter(plan, late, window !== undefined);
  plan = aggregateAndOrder(plan, select);
  plan = {
    kind: "project",
    input: plan,
    items: select.items,
    limit: select.limit,
    sendNilField: options.sendNilField,
    sendMeta: options.sendMetaToSink,
  };
  return {
    root: plan,
    slotCount: select.slotCount,
    changingSlots: select.changingSlots,
    sources: select.sources.map((s) => s.name),
    usesMeta: select.usesMeta || options.sendMetaToSink,
  };
}

function filter(input: Plan, condition: Bound, ofLists: boolean): FilterPlan {
  return { kind: "filter", input, condition, clause: "where", ofLists };
}

/**
 * GROUP BY, HAVING and ORDER BY. Without group expressions the rows are sorted before they are aggregated, and the
 * aggregates of HAVING and ORDER BY do not make the result an aggregated one: they are computed over the list, and
 * every row of it gets them.
 */
function aggregateAndOrder(input: Plan, select: AnalyzedSelect): Plan {
  const perGroup = select.groupBy.length > 0;
  const aggregated = perGroup || isAggregated(select);
  const order = (plan: Plan): Plan =>
    select.orderBy.length > 0 && select.window !== undefined
      ? { kind: "order", input: plan, by: select.orderBy }
      : plan;
  const having = (plan: Plan): Plan =>
    select.having === undefined ? plan : { kind: "having", input: plan, condition: select.having, perGroup };
  const aggregate = (plan: Plan): Plan => ({
    kind: "aggregate",
    input: plan,
    groupBy: select.groupBy,
    aggregates: select.aggregates,
  });
  if (perGroup) return order(having(aggregate(input)));
  const beside = select.orderBy.map((by) => by.expr);
  if (!aggregated && select.having !== undefined) beside.push(select.having);
  const overList = aggregatesOf(select, beside);
  const plan: Plan = overList.length === 0 ? input : { kind: "list_aggregate", input, aggregates: overList };
  return aggregated ? having(aggregate(order(plan))) : order(having(plan));
}

/** True when the result is aggregated: a group expression, or an aggregate in the select list. */
function isAggregated(select: AnalyzedSelect): boolean {
  return select.items.some((item) =>
    item.kind === "star" ? item.replace.some((r) => hasAggregate(r.expr)) : hasAggregate(item.expr)
  );
}

/** The aggregates that some of `parts` need. */
function aggregatesOf(select: AnalyzedSelect, parts: readonly Bound[]): BoundAggregate[] {
  const slots = new Set(parts.flatMap((part) => [...aggregateSlots(part)]));
  return select.aggregates.filter((a) => slots.has(a.slot));
}

const filteredEarly = new Set(["tumbling", "hopping", "session", "state"]);

/**
 * For tumbling, hopping, session and state windows in processing time, each part of WHERE between ANDs is applied
 * before the window; for all others, and for parts with aggregates, after it.
 */
function splitWhere(
  select: AnalyzedSelect,
  options: PlanOptions,
): { early: Bound | undefined; late: Bound | undefined } {
  const { where, window } = select;
  if (where === undefined) return { early: undefined, late: undefined };
  if (window === undefined || options.isEventTime || !filteredEarly.has(window.type)) {
    return { early: undefined, late: where };
  }
  const parts = conjuncts(where);
  return { early: conjunction(parts.filter((p) => !hasAggregate(p))), late: conjunction(parts.filter(hasAggregate)) };
}

/** The parts of a condition between its ANDs, those inside parentheses included. */
function conjuncts(condition: Bound): readonly Bound[] {
  return condition.kind === "logical" && condition.operator === "AND"
    ? condition.operands.flatMap(conjuncts)
    : [condition];
}

function conjunction(parts: readonly Bound[]): Bound | undefined {
  const [first, ...rest] = parts;
  if (first === undefined || rest.length === 0) return first;
  const span = { start: first.span.start, end: rest.at(-1)!.span.end };
  return { kind: "logical", operator: "AND", operands: parts, type: "boolean", span };
}

function wantedColumns(select: AnalyzedSelect, options: PlanOptions): ReadonlySet<string> | "all" {
  const source = select.sources[0]!;
  if (source.wanted === "all") return "all";
  const wanted = new Set(source.wanted);
  if (options.isEventTime && source.schema.timestamp !== undefined) wanted.add(source.schema.timestamp);
  return wanted;
}

function checkTimestampFormat(schema: SourceSchema, options: PlanOptions, diagnostics: Diagnostic[]): void {
  if (!options.isEventTime || schema.timestampFormat === undefined) return;
  try {
    compilePattern(schema.timestampFormat);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    diagnostics.push(diagnostic("E407", `TIMESTAMP_FORMAT of stream "${schema.name}": ${reason}`));
  }
}

/** What the dialect has and this version cannot run yet is refused, never ignored. */
function refuseUnsupported(select: AnalyzedSelect, diagnostics: Diagnostic[]): void {
  const refuse = (what: string, span?: { start: number; end: number }) =>
    void diagnostics.push(diagnostic("E301", `${what} not supported yet`, span === undefined ? {} : { span }));
  const join = select.joins[0];
  if (join !== undefined) refuse("Joins are", join.span);
  const table = select.sources.find((s) => s.schema.kind !== "stream");
  if (table !== undefined && join === undefined) {
    diagnostics.push(diagnostic("E216", `At least one source must be a stream, and "${table.name}" is a table`));
  }
  const { window } = select;
  if (window !== undefined && (window.type === "hopping" || window.type === "sliding")) {
    refuse(`${window.type[0]!.toUpperCase()}${window.type.slice(1)} windows are`, window.span);
  }
}
