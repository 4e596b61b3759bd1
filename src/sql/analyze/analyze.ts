/**
 * A SELECT with its meaning: every name resolved, every call bound, every rule of the dialect checked.
 *
 * All mistakes of one statement are collected and thrown together.
 * @module
 */
import { type Diagnostic, type Span, throwIfAny } from "../../diagnostics/diagnostic.ts";
import type { Expr, JoinType, Select, WindowCall } from "../ast.ts";
import {
  type Bound,
  type BoundAggregate,
  type BoundAnalytic,
  type BoundDedupTrigger,
  type BoundRowNumber,
  changesOnTheWay,
  childrenOf,
  hasAggregate,
} from "../bound.ts";
import type { Catalog, FunctionSet } from "../catalog.ts";
import { Binder } from "./binder.ts";
import { Scope, type ScopeSource } from "./scope.ts";
import { bindSelectList, type OutputItem } from "./select_list.ts";
import { checkRowHits } from "./stage_calls.ts";
import { bindWindowCall, bindWindowClause, type WindowSpec } from "./windows.ts";

export interface AnalyzedJoin {
  readonly type: JoinType;
  /** The position of the source on its right. */
  readonly source: number;
  readonly on: Bound | undefined;
  readonly span: Span;
}

export interface AnalyzedSelect {
  readonly sources: readonly ScopeSource[];
  readonly items: readonly OutputItem[];
  readonly where: Bound | undefined;
  readonly window: WindowSpec | undefined;
  readonly groupBy: readonly Bound[];
  readonly having: Bound | undefined;
  readonly orderBy: readonly { readonly expr: Bound; readonly descending: boolean }[];
  readonly limit: number | undefined;
  readonly aggregates: readonly BoundAggregate[];
  readonly analytics: readonly BoundAnalytic[];
  readonly rowNumbers: readonly BoundRowNumber[];
  readonly dedupTrigger: BoundDedupTrigger | undefined;
  /** How many slots a row of this statement needs. */
  readonly slotCount: number;
  /** Slots of aliases whose value on a row is another one behind a window or an aggregation. */
  readonly changingSlots: readonly number[];
  /** True when the statement reads metadata with meta() or mqtt(). */
  readonly usesMeta: boolean;
  /** In the order of the text; the first joins to the source at position 0. */
  readonly joins: readonly AnalyzedJoin[];
  /** What is no mistake of the statement, but fails every row that has values. */
  readonly warnings: readonly Diagnostic[];
}

/** More mistakes than this help nobody, and looking for names that might have been meant takes time for each. */
const diagnosticsMax = 50;

/** @throws {DiagnosticError} with everything that is wrong; `text` is what the spans point into. */
export function analyze(
  select: Select,
  catalog: Catalog,
  functions: FunctionSet,
  text?: string,
  ignoreCase = false,
): AnalyzedSelect {
  const diagnostics: Diagnostic[] = [];
  const report = (d: Diagnostic) => {
    diagnostics.push(d);
    if (diagnostics.length === diagnosticsMax) throwIfAny(diagnostics, text);
  };
  const scope = new Scope([select.from, ...select.joins.map((j) => j.source)], catalog, report, ignoreCase);
  const binder = new Binder(scope, functions, report);

  const finishItems = bindSelectList(binder, select.items, report);
  const where = select.where === undefined ? undefined : binder.bindIn("where", select.where);
  expectBoolean(binder, where, "WHERE");
  const { window, groupBy } = bindGroupBy(binder, select);
  const having = select.having === undefined ? undefined : binder.bindIn("having", select.having);
  expectBoolean(binder, having, "HAVING");
  checkHaving(binder, having, window, select.having);
  const orderBy = select.orderBy.map((sort) => ({
    expr: binder.bindIn("order by", sort.expr),
    descending: sort.descending,
  }));
  const joins = select.joins.map(({ type, on, span }, i) => {
    const bound = on === undefined ? undefined : binder.bindIn("on", on);
    expectBoolean(binder, bound, "ON");
    return { type, source: i + 1, on: bound, span };
  });
  const groupsOrJoins = select.groupBy.length > 0 || select.windowClauses.length > 0 || select.joins.length > 0;
  checkRowHits(binder, groupsOrJoins);
  if (groupsOrJoins && binder.dedupTrigger !== undefined) {
    const { span } = binder.dedupTrigger;
    const hint = "use it in a second rule over the results of this one";
    binder.report("E216", "dedup_trigger() cannot stand in a statement with GROUP BY or joins", span, hint);
  }
  throwIfAny(diagnostics, text);
  return {
    sources: scope.sources,
    items: finishItems(),
    where,
    window,
    groupBy,
    having,
    orderBy,
    limit: select.limit === undefined ? undefined : Number(select.limit.count),
    aggregates: [...binder.aggregates.values()],
    analytics: binder.analytics,
    rowNumbers: binder.rowNumbers,
    dedupTrigger: binder.dedupTrigger,
    slotCount: binder.slotCount,
    changingSlots: changingSlotsOf(binder),
    usesMeta: binder.usesMeta,
    joins,
    warnings: binder.warnings,
  };
}

/** Slots of aliases whose value on a row is another one behind a window or an aggregation. */
export function changingSlotsOf(binder: Binder): number[] {
  return [...binder.aliases.values()].flatMap(({ slot, bound }) =>
    slot !== undefined && bound !== undefined && changesOnTheWay(bound) ? [slot] : []
  );
}

/** Warns of what cannot be a condition: rows that have a value there fail. */
export function expectBoolean(binder: Binder, condition: Bound | undefined, clause: string): void {
  if (condition !== undefined && condition.type !== "boolean" && condition.type !== "unknown") {
    binder.warn(`${clause} needs a condition, found ${condition.type}`, condition.span);
  }
}

/** Reports what cannot be a condition. */
export function requireBoolean(binder: Binder, condition: Bound | undefined, clause: string): void {
  if (condition !== undefined && condition.type !== "boolean" && condition.type !== "unknown") {
    binder.report("E213", `${clause} needs a condition, found ${condition.type}`, condition.span);
  }
}

function isWindowCall(dimension: Expr | WindowCall): dimension is WindowCall {
  return dimension.kind === "window_call";
}

function bindGroupBy(binder: Binder, select: Select): { window: WindowSpec | undefined; groupBy: Bound[] } {
  const calls = select.groupBy.filter(isWindowCall);
  const windows = [...calls, ...select.windowClauses];
  for (const extra of windows.slice(1)) {
    binder.report("E210", "A statement can have only one window", extra.span, "leave one of them out");
  }
  const first = windows[0];
  const window = first === undefined
    ? undefined
    : first.kind === "window_call"
    ? bindWindowCall(binder, first)
    : bindWindowClause(binder, first);
  const groupBy: Bound[] = [];
  for (const dimension of select.groupBy) {
    if (isWindowCall(dimension)) continue;
    const bound = binder.bindIn("group by", dimension);
    if (hasAggregate(bound)) {
      const hint = "group by columns and values of single rows";
      binder.report("E208", "Aggregates cannot stand in GROUP BY", dimension.span, hint);
    }
    groupBy.push(bound);
  }
  if (first === undefined && groupBy.length > 0) {
    binder.report(
      "E209",
      "GROUP BY needs a window",
      groupBy[0]!.span,
      "for example GROUP BY …, TUMBLINGWINDOW(ss, 10)",
    );
  }
  checkWindowConditions(binder, window);
  return { window, groupBy };
}

function checkWindowConditions(binder: Binder, window: WindowSpec | undefined): void {
  for (const bound of [window?.filter, window?.triggerWhen, ...(window?.conditions ?? [])]) {
    if (bound !== undefined && hasAggregate(bound)) {
      const hint = "conditions on aggregates belong in HAVING";
      binder.report("E208", "Aggregates cannot stand in the conditions of a window", bound.span, hint);
    }
  }
  expectBoolean(binder, window?.filter, "FILTER");
}

/** Every column, call and alias in HAVING must be or contain an aggregate. */
function checkHaving(
  binder: Binder,
  having: Bound | undefined,
  window: WindowSpec | undefined,
  text: Expr | undefined,
): void {
  if (having === undefined || text === undefined) return;
  if (window === undefined) {
    binder.report("E211", "HAVING needs a window", text.span, "conditions on single rows belong in WHERE");
    return;
  }
  const pending: Bound[] = [having];
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    if (part.kind === "aggregate") continue;
    if (part.kind === "alias" && hasAggregate(part.expr)) continue;
    if (part.kind === "column" || part.kind === "alias" || part.kind === "analytic") {
      const name = part.kind === "analytic" ? `${part.fn.name}()` : `"${part.name}"`;
      binder.report(
        "E211",
        `${name} in HAVING does not stand inside an aggregate`,
        part.span,
        "put it in WHERE, or use last_value(x, false)",
      );
      continue;
    }
    if (part.kind === "call" && !hasAggregate(part)) {
      const hint = "conditions on single rows belong in WHERE";
      binder.report("E211", `${part.fn.name}() in HAVING does not contain an aggregate`, part.span, hint);
      continue;
    }
    // The last one pushed is looked at first: mistakes are told in the order of the text.
    pending.push(...childrenOf(part).toReversed());
  }
}
