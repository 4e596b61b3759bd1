/**
 * A SELECT with its meaning: every name resolved, every call bound, every rule of the dialect checked.
 *
 * All mistakes of one statement are collected and thrown together.
 * @module
 */
import { type Diagnostic, diagnostic, type Span, throwIfAny } from "../../diagnostics/diagnostic.ts";
import type { Expr, JoinType, Select, SelectItem, WindowCall } from "../ast.ts";
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
import { type AliasEntry, Binder } from "./binder.ts";
import { Scope, type ScopeSource } from "./scope.ts";
import { bindStageItem, checkRowHits, type StageFunction, type StageItem, stageItemOf } from "./stage_calls.ts";
import { bindWindowCall, bindWindowClause, type WindowSpec } from "./windows.ts";

/** One column of the output, one star, or a call that makes columns or rows. */
export type OutputItem = OutputExpression | OutputStar | OutputChanges | OutputSpread;

export interface OutputExpression {
  readonly kind: "expression";
  readonly name: string;
  readonly aliased: boolean;
  /** False for INVISIBLE items: computed for others, not output. */
  readonly visible: boolean;
  readonly expr: Bound;
}

export interface OutputStar {
  readonly kind: "star";
  /** The position of the source of `s.*`; undefined for `*`. */
  readonly source: number | undefined;
  readonly except: readonly string[];
  readonly replace: readonly { readonly name: string; readonly expr: Bound }[];
}

/** A column for each value that has changed: `changed_cols(…)`. */
export interface OutputChanges {
  readonly kind: "changes";
  readonly fn: StageFunction;
  /** The prefix, whether nulls are ignored, then the values. */
  readonly args: readonly Bound[];
  /** What stands behind the prefix, for each value; a star has the names of its columns. */
  readonly names: readonly string[];
  readonly span: Span;
}

/** A row for each element of an array, or columns for the keys of a map: `unnest(…)`, `extract(…)`. At most one. */
export interface OutputSpread {
  readonly kind: "spread";
  readonly fn: StageFunction;
  readonly args: readonly Bound[];
  /** For elements that are no maps. */
  readonly name: string;
  readonly aliased: boolean;
  readonly span: Span;
}

/** The expressions of an item. */
export function exprsOf(item: OutputItem): readonly Bound[] {
  switch (item.kind) {
    case "expression":
      return [item.expr];
    case "star":
      return item.replace.map((r) => r.expr);
    case "changes":
    case "spread":
      return item.args;
    default:
      return item satisfies never;
  }
}

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

/**
 * Binds a select list. What it gives is called when everything that may use its aliases is bound too: an alias gets a
 * slot where something else uses it.
 */
export function bindSelectList(
  binder: Binder,
  items: readonly SelectItem[],
  report: (d: Diagnostic) => void,
): () => OutputItem[] {
  collectAliases(binder, items, report);
  const bound = bindItems(binder, items, report);
  return () => bound.map((item) => withSlot(binder, item));
}

/** Slots of aliases whose value on a row is another one behind a window or an aggregation. */
export function changingSlotsOf(binder: Binder): number[] {
  return [...binder.aliases.values()].flatMap(({ slot, bound }) =>
    slot !== undefined && bound !== undefined && changesOnTheWay(bound) ? [slot] : []
  );
}

function collectAliases(binder: Binder, items: readonly SelectItem[], report: (d: Diagnostic) => void): void {
  for (const [index, item] of items.entries()) {
    if (item.alias === undefined || item.expr.kind === "star" || item.expr.kind === "qualified_star") continue;
    const name = item.alias.name;
    const first = binder.aliases.get(name);
    if (first !== undefined) {
      report(diagnostic("E206", `Duplicate alias "${name}"`, {
        span: item.alias.span,
        notes: [{ message: "first used here", span: first.item.alias!.span }],
      }));
      continue;
    }
    const entry: AliasEntry = { name, index, item, state: "unbound", bound: undefined, depth: 0, slot: undefined };
    binder.aliases.set(name, entry);
  }
}

function bindItems(binder: Binder, items: readonly SelectItem[], report: (d: Diagnostic) => void): OutputItem[] {
  const output: OutputItem[] = [];
  const visibleNames = new Map<string, { readonly span: Span; readonly aliased: boolean }>();
  let unnamed = 0;
  for (const [index, item] of items.entries()) {
    binder.clause = "select";
    binder.item = index;
    if (item.expr.kind === "star" || item.expr.kind === "qualified_star") {
      const star = bindStarItem(binder, item);
      if (star !== undefined && !item.invisible) output.push(star);
      continue;
    }
    const made = stageItemOf(binder, item);
    if (made?.fn.stage.kind === "changed_columns") {
      const changes = bindChanges(binder, item, made);
      if (changes !== undefined) output.push(changes);
      continue;
    }
    const alias = item.alias === undefined ? undefined : binder.aliases.get(item.alias.name);
    const own = alias !== undefined && alias.item === item ? alias : undefined;
    const aliased = item.alias !== undefined;
    const name = item.alias?.name ?? outputName(binder, item.expr) ?? `kuiper_field_${unnamed++}`;
    const column = made !== undefined
      ? bindSpread(binder, item, made, own, name)
      : { kind: "expression" as const, name, aliased, visible: !item.invisible, expr: bindOwn(binder, item.expr, own) };
    if (column === undefined) continue;
    if (column.kind === "spread" && output.some((other) => other.kind === "spread")) {
      const hint = "use the other one in a second rule";
      report(diagnostic("E216", "A statement can have only one unnest() or extract()", { span: item.span, hint }));
    }
    const visible = !item.invisible;
    const earlier = visibleNames.get(name);
    // Two equal aliases have been reported already.
    if (visible && earlier !== undefined && !(earlier.aliased && item.alias !== undefined)) {
      report(diagnostic("E206", `Duplicate output column "${name}"`, {
        span: item.span,
        hint: "give one of them another name with AS",
        notes: [{ message: "first used here", span: earlier.span }],
      }));
    }
    if (visible) visibleNames.set(name, { span: item.span, aliased: item.alias !== undefined });
    output.push(column);
  }
  return output;
}

function bindOwn(binder: Binder, expr: Expr, own: AliasEntry | undefined): Bound {
  return own === undefined ? binder.bind(expr) : binder.define(own);
}

function bindSpread(
  binder: Binder,
  item: SelectItem,
  made: StageItem,
  own: AliasEntry | undefined,
  name: string,
): OutputSpread | undefined {
  const args = binder.defining(own, () => bindStageItem(binder, item, made));
  if (args === undefined) return undefined;
  return { kind: "spread", fn: made.fn, args, name, aliased: item.alias !== undefined, span: made.call.span };
}

function bindChanges(binder: Binder, item: SelectItem, made: StageItem): OutputChanges | undefined {
  const args = bindStageItem(binder, item, made);
  if (args === undefined) return undefined;
  // Expressions of several parts have no name: the prefix alone is theirs.
  const names = made.call.args.slice(2).map((arg) =>
    arg.kind === "star" || arg.kind === "time_unit" ? "" : outputName(binder, arg) ?? ""
  );
  return { kind: "changes", fn: made.fn, args, names, span: made.call.span };
}

/** An alias gets its slot where another item or clause uses it; the item itself must then read the slot too. */
function withSlot(binder: Binder, item: OutputItem): OutputItem {
  if (item.kind !== "expression" || !item.aliased || item.expr.kind === "alias") return item;
  const alias = binder.aliases.get(item.name);
  if (alias?.slot === undefined || alias.bound !== item.expr) return item;
  return {
    ...item,
    expr: {
      kind: "alias",
      name: alias.name,
      slot: alias.slot,
      expr: item.expr,
      type: item.expr.type,
      span: item.expr.span,
    },
  };
}

function bindStarItem(binder: Binder, item: SelectItem): OutputStar | undefined {
  const star = item.expr;
  if (star.kind === "qualified_star") {
    const source = binder.scope.find(star.qualifier.name);
    if (source === -1) {
      binder.report("E201", `Unknown source "${star.qualifier.name}"`, star.qualifier.span, "name a source of FROM");
      return undefined;
    }
    binder.scope.want(source, "*");
    return { kind: "star", source, except: [], replace: [] };
  }
  if (star.kind !== "star") return undefined;
  if (item.alias !== undefined) binder.report("E216", "* takes no alias", item.alias.span);
  for (let i = 0; i < binder.scope.sources.length; i++) binder.scope.want(i, "*");
  binder.scope.checkExcept(star);
  return {
    kind: "star",
    source: undefined,
    except: star.except.map((name) => name.name),
    replace: star.replace.map((r) => ({ name: r.name.name, expr: binder.bind(r.expr) })),
  };
}

/** The name of an item without alias, or undefined for `kuiper_field_N`. */
export function outputName(binder: Binder, expr: Expr): string | undefined {
  switch (expr.kind) {
    case "name":
      return expr.name;
    case "qualified":
      return expr.name.name;
    case "call": {
      const builtIn = binder.functions.lookup(expr.name.name) !== undefined;
      return builtIn ? expr.name.name.toLowerCase() : expr.name.name;
    }
    default:
      return undefined;
  }
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
