/**
 * Makes the plan of a SELECT, in the dialect's order of evaluation.
 * @module
 */
import { type Diagnostic, diagnostic, type Span, throwIfAny } from "../diagnostics/diagnostic.ts";
import type { AnalyzedSelect } from "./analyze/analyze.ts";
import type { ScopeSource } from "./analyze/scope.ts";
import { exprsOf } from "./analyze/select_list.ts";
import type { WindowSpec } from "./analyze/windows.ts";
import { compilePattern } from "../value/datetime_text.ts";
import {
  aggregateSlots,
  type Bound,
  type BoundAggregate,
  conjunction,
  conjuncts,
  hasAggregate,
  sourcesUsed,
} from "./bound.ts";
import type { SourceSchema } from "./catalog.ts";
import { type Delays, planDelays } from "./plan_delays.ts";
import type { AnalyticPlan, FilterPlan, Plan, PlanOptions, SourcePlan, StatementPlan, WatermarkPlan } from "./plan.ts";
import { ownerOf, planJoins, precedenceOf } from "./plan_joins.ts";

/**
 * Makes the plan of a statement.
 *
 * @throws {DiagnosticError} E302 for event time without a timestamp, E303 for options that do not go together, E216 for
 * joins that cannot be.
 */
export function planSelect(analyzed: AnalyzedSelect, options: PlanOptions, text?: string): StatementPlan {
  // State windows have partitions instead of groups.
  const select = analyzed.window?.type === "state" ? { ...analyzed, groupBy: [] } : analyzed;
  const diagnostics: Diagnostic[] = [];
  const streams = select.sources.filter((s) => s.schema.kind === "stream");
  if (options.isEventTime) { for (const { schema, span } of streams) checkTimestamp(schema, diagnostics, span); }
  const groups = select.window !== undefined || select.groupBy.length > 0;
  if (options.sendMetaToSink && (groups || select.sources.length > 1)) {
    diagnostics.push(diagnostic("E303", "sendMetaToSink cannot be combined with GROUP BY or several sources"));
  }
  checkAnalytics(select, diagnostics);
  const sources = select.sources.map((source, position) => sourcePlan(source, position, options));
  const joins = planJoins(select, sources, diagnostics);
  throwIfAny(diagnostics, text);

  const inputs = sources.filter((s) => s.schema.kind === "stream");
  let plan: Plan = inputs.length === 1 ? inputs[0]! : { kind: "merge", inputs };
  if (options.isEventTime) plan = watermark(plan, inputs, options, seesEachRise(select.window));
  if (select.analytics.length > 0) plan = analytic(plan, select);
  const { window } = select;
  const { early, late } = splitWhere(select, options);
  const delays = planDelays();
  if (window !== undefined) {
    for (const { source, condition } of early) plan = filter(delays(plan, [condition]), condition, false, source);
    if (window.filter !== undefined) {
      plan = {
        kind: "filter",
        input: plan,
        condition: window.filter,
        clause: "window",
        ofLists: false,
        source: undefined,
      };
    }
    plan = {
      kind: "window",
      input: plan,
      spec: window,
      eventTime: options.isEventTime,
      ...(options.slidingTwice === undefined ? {} : { slidingTwice: options.slidingTwice }),
      ...(options.slidingOpenLeft === undefined ? {} : { slidingOpenLeft: options.slidingOpenLeft }),
    };
  }
  plan = joins(plan);
  const inWhere = aggregatesOf(select, select.where === undefined ? [] : [select.where]);
  if (inWhere.length > 0) plan = { kind: "list_aggregate", input: plan, aggregates: inWhere };
  if (late !== undefined) plan = filter(delays(plan, [late]), late, window !== undefined || select.joins.length > 0);
  plan = aggregateAndOrder(plan, select, delays);
  if (select.dedupTrigger !== undefined) plan = { kind: "dedup_trigger", input: plan, call: select.dedupTrigger };
  plan = delays(plan, select.items.flatMap(exprsOf));
  plan = {
    kind: "project",
    input: plan,
    items: select.items,
    limit: select.limit,
    sendNilField: options.sendNilField,
    sendMeta: options.sendMetaToSink,
    precedence: precedenceOf(select),
  };
  return {
    root: plan,
    slotCount: select.slotCount,
    changingSlots: select.changingSlots,
    sources: select.sources.map((s) => s.name),
    ...(options.ignoreCase === true ? { ignoreCase: true } : {}),
    usesMeta: select.usesMeta || options.sendMetaToSink,
  };
}

function sourcePlan(source: ScopeSource, position: number, options: PlanOptions): SourcePlan {
  const { name, schema } = source;
  return { kind: "source", name, position, schema, columns: wantedColumns(source, options) };
}

/** Whether it can be told from a window's lists how rows came together in batches. */
function seesEachRise(window: WindowSpec | undefined): boolean {
  return window?.type === "session" || window?.type === "sliding";
}

function watermark(
  input: Plan,
  streams: readonly SourcePlan[],
  options: PlanOptions,
  rowByRow: boolean,
): WatermarkPlan {
  const timestamps = streams.map(({ position, schema }) => ({
    source: position,
    column: schema.timestamp!,
    format: schema.timestampFormat,
  }));
  return { kind: "watermark", input, timestamps, lateTolerance: options.lateTolerance, rowByRow };
}

/** A call sees the rows of the one stream whose columns it uses, or else all rows. */
function analytic(input: Plan, select: AnalyzedSelect): AnalyticPlan {
  const owners = select.analytics.map((call) => ownerOf(call, select.sources.length));
  return { kind: "analytic", input, calls: select.analytics, owners };
}

/** Analytic functions run on rows as they come in, before tables are joined to them. */
function checkAnalytics(select: AnalyzedSelect, diagnostics: Diagnostic[]): void {
  for (const call of select.analytics) {
    for (const position of sourcesUsed(call)) {
      const source = select.sources[position];
      if (source === undefined || source.schema.kind === "stream") continue;
      diagnostics.push(diagnostic("E216", `${call.fn.name}() cannot use columns of table "${source.name}"`, {
        span: call.span,
        hint: "analytic functions see the rows of streams, before tables are joined to them",
      }));
    }
  }
}

function filter(input: Plan, condition: Bound, ofLists: boolean, source?: number): FilterPlan {
  return { kind: "filter", input, condition, clause: "where", ofLists, source };
}

/**
 * GROUP BY, HAVING and ORDER BY. Without group expressions the rows are sorted before they are aggregated, and the
 * aggregates of HAVING and ORDER BY do not make the result an aggregated one: they are computed over the list, and
 * every row of it gets them.
 */
function aggregateAndOrder(input: Plan, select: AnalyzedSelect, delays: Delays): Plan {
  const perGroup = select.groupBy.length > 0;
  const aggregated = perGroup || isAggregated(select);
  const order = (plan: Plan): Plan =>
    select.orderBy.length > 0 && select.window !== undefined
      ? { kind: "order", input: plan, by: select.orderBy }
      : plan;
  const having = (plan: Plan): Plan =>
    select.having === undefined
      ? plan
      : { kind: "having", input: delays(plan, [select.having]), condition: select.having, perGroup };
  const number = (plan: Plan): Plan =>
    select.rowNumbers.length === 0 ? plan : { kind: "row_number", input: plan, calls: select.rowNumbers };
  const aggregate = (plan: Plan): Plan => ({
    kind: "aggregate",
    input: plan,
    groupBy: select.groupBy,
    aggregates: select.aggregates,
  });
  if (perGroup) return order(number(having(aggregate(input))));
  const beside = select.orderBy.map((by) => by.expr);
  if (!aggregated && select.having !== undefined) beside.push(select.having);
  const overList = aggregatesOf(select, beside);
  const plan: Plan = overList.length === 0 ? input : { kind: "list_aggregate", input, aggregates: overList };
  return aggregated ? number(having(aggregate(order(plan)))) : order(number(having(plan)));
}

/** True when the result is aggregated: a group expression, or an aggregate in the select list. */
function isAggregated(select: AnalyzedSelect): boolean {
  return select.items.some((item) => exprsOf(item).some(hasAggregate));
}

/** The aggregates that some of `parts` need. */
function aggregatesOf(select: AnalyzedSelect, parts: readonly Bound[]): BoundAggregate[] {
  const slots = new Set(parts.flatMap((part) => [...aggregateSlots(part)]));
  return select.aggregates.filter((a) => slots.has(a.slot));
}

const filteredEarly = new Set(["tumbling", "hopping", "session", "state"]);

/** A part of WHERE that is applied before the window, to the rows of one stream or to all. */
interface EarlyFilter {
  readonly source: number | undefined;
  readonly condition: Bound;
}

/**
 * For tumbling, hopping, session and state windows in processing time, each part of WHERE between ANDs that concerns one
 * stream, or none, is applied before the window; for all others, and for parts with aggregates, after it.
 */
function splitWhere(
  select: AnalyzedSelect,
  options: PlanOptions,
): { readonly early: readonly EarlyFilter[]; readonly late: Bound | undefined } {
  const { where, window } = select;
  if (where === undefined) return { early: [], late: undefined };
  if (window === undefined || options.isEventTime || !filteredEarly.has(window.type)) {
    return { early: [], late: where };
  }
  const bySource = new Map<number | undefined, Bound[]>();
  const late: Bound[] = [];
  for (const part of conjuncts(where)) {
    const source = hasAggregate(part) ? "late" : earlySource(part, select);
    if (source === "late") late.push(part);
    else bySource.set(source, [...bySource.get(source) ?? [], part]);
  }
  const early = [...bySource].map(([source, parts]) => ({ source, condition: conjunction(parts)! }));
  return { early, late: conjunction(late) };
}

/** The stream that a part of WHERE concerns, undefined for all rows; `late` for tables and several streams. */
function earlySource(part: Bound, select: AnalyzedSelect): number | undefined | "late" {
  if (select.sources.length === 1) return undefined;
  const used = [...sourcesUsed(part)];
  if (used.length === 0) return undefined;
  const [only] = used;
  return used.length === 1 && select.sources[only!]?.schema.kind === "stream" ? only : "late";
}

function wantedColumns(source: ScopeSource, options: PlanOptions): ReadonlySet<string> | "all" {
  // Which of its columns a message writes in other letters is not known before.
  if (source.wanted === "all" || options.ignoreCase === true) return "all";
  const wanted = new Set(source.wanted);
  const { kind, timestamp } = source.schema;
  if (options.isEventTime && kind === "stream" && timestamp !== undefined) wanted.add(timestamp);
  return wanted;
}

/** Reports a stream that cannot give event time: E302, E407. */
export function checkTimestamp(schema: SourceSchema, diagnostics: Diagnostic[], span?: Span): void {
  const at = span === undefined ? {} : { span };
  if (schema.timestamp === undefined) {
    diagnostics.push(diagnostic("E302", `Event time needs the TIMESTAMP option on stream "${schema.name}"`, {
      ...at,
      hint: 'create the stream WITH (…, TIMESTAMP="column")',
    }));
    return;
  }
  if (schema.timestampFormat === undefined) return;
  try {
    compilePattern(schema.timestampFormat);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    diagnostics.push(diagnostic("E407", `TIMESTAMP_FORMAT of stream "${schema.name}": ${reason}`, at));
  }
}
