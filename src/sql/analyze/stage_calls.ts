/**
 * Calls that a step of the plan carries out: each has its places in a statement, and leaves a trace of itself there, in
 * the select list or in a slot of the row.
 * @module
 */
import type { Call, Over, SelectItem } from "../ast.ts";
import { type Bound, type BoundHits, hasDelay, hasHits, isOfSelectList, some } from "../bound.ts";
import type { SqlFunction } from "../functions/declare.ts";
import type { Binder, Clause } from "./binder.ts";
import { arityFits, bindArguments } from "./call_arguments.ts";

export type StageFunction = Extract<SqlFunction, { kind: "stage" }>;

/** A select item that makes columns or rows of its own. */
export interface StageItem {
  readonly call: Call;
  readonly fn: StageFunction;
}

/** The call of an item that makes columns or rows; undefined for every other item. */
export function stageItemOf(binder: Binder, item: SelectItem): StageItem | undefined {
  const { expr } = item;
  if (expr.kind !== "call") return undefined;
  const fn = binder.functions.lookup(expr.name.name);
  if (fn?.kind !== "stage" || (fn.stage.kind !== "changed_columns" && fn.stage.kind !== "spread")) return undefined;
  return { call: expr, fn };
}

/** The arguments of such an item, or undefined where it cannot be. */
export function bindStageItem(binder: Binder, item: SelectItem, { call, fn }: StageItem): readonly Bound[] | undefined {
  const name = `${call.name.name}()`;
  if (item.invisible) {
    const message = `${name} cannot be INVISIBLE: it is there for the output alone`;
    binder.report("E216", message, item.span, "leave INVISIBLE out");
  }
  if (fn.stage.kind === "changed_columns" && item.alias !== undefined) {
    binder.report("E216", `${name} takes no alias`, item.alias.span, "its first argument is the prefix of all names");
  }
  refuseOver(binder, call);
  return arityFits(binder, call, fn) ? bindArguments(binder, call, fn) : undefined;
}

/** Any other call of such a function, also in the places where it cannot stand. */
export function bindStageCall(binder: Binder, call: Call, fn: StageFunction): Bound {
  const { stage } = fn;
  switch (stage.kind) {
    case "changed_columns":
    case "spread":
      binder.report(
        "E216",
        `${call.name.name}() can stand only outermost in the select list`,
        call.span,
        "make it an item of its own, and use what it makes in a second rule",
      );
      bindArguments(binder, call, fn);
      return nothing(call);
    case "row_number":
      return bindRowNumber(binder, call);
    case "dedup_trigger":
      return bindDedupTrigger(binder, call, fn);
    case "hits":
      return bindHits(binder, call, { kind: "hits", of: stage.of, gives: stage.gives, type: "int", span: call.span });
    default:
      return stage satisfies never;
  }
}

function nothing(call: Call): Bound {
  return { kind: "constant", value: null, type: "unknown", span: call.span };
}

function refuseOver(binder: Binder, { name, over }: Call): void {
  if (over === undefined) return;
  binder.report("E212", `OVER is not allowed on ${name.name}()`, over.span, "it belongs to analytic functions");
}

/** True in the select list outside other calls that take whole groups or rows; reports it otherwise. */
function requireSelectList(binder: Binder, call: Call): boolean {
  if (binder.clause === "select" && binder.inside === undefined) return true;
  const where = binder.inside === undefined ? binder.clause.toUpperCase() : `an ${binder.inside} call`;
  const message = `${call.name.name}() can stand only in the select list, not in ${where}`;
  binder.report("E216", message, call.span, "select it here, and use its value in a second rule");
  return false;
}

function bindRowNumber(binder: Binder, call: Call): Bound {
  const over: Over | undefined = call.over;
  if (over?.when !== undefined) {
    binder.report("E212", "WHEN in OVER belongs to analytic functions", over.when.span, "use FILTER or HAVING");
  }
  const partitionBy = (over?.partitionBy ?? []).map((expr) => binder.bind(expr));
  const orderBy = (over?.orderBy ?? []).map((by) => ({ expr: binder.bind(by.expr), descending: by.descending }));
  refuseLateParts(binder, call, [...partitionBy, ...orderBy.map((by) => by.expr)]);
  if (!requireSelectList(binder, call)) return nothing(call);
  const bound = {
    kind: "row_number" as const,
    slot: binder.newSlot(),
    partitionBy,
    orderBy,
    type: "int" as const,
    span: call.span,
  };
  binder.rowNumbers.push(bound);
  return bound;
}

function bindDedupTrigger(binder: Binder, call: Call, fn: StageFunction): Bound {
  refuseOver(binder, call);
  const args = bindArguments(binder, call, fn);
  refuseLateParts(binder, call, args);
  if (!requireSelectList(binder, call)) return nothing(call);
  if (binder.dedupTrigger !== undefined) {
    const hint = "leave one of them out, or make two rules";
    binder.report("E216", `A statement can have only one ${call.name.name}()`, call.span, hint);
    return nothing(call);
  }
  const expire = args[3]!;
  const bound = {
    kind: "dedup_trigger" as const,
    slot: binder.newSlot(),
    args: args.slice(0, 3),
    expire: expire.kind === "constant" ? Number(expire.value) : 0,
    type: "array" as const,
    span: call.span,
  };
  binder.dedupTrigger = bound;
  return bound;
}

const useColumns = "use columns of the row and values computed from them";

/** The steps before the projection know neither what they make themselves nor what passes it, and they do not wait. */
function refuseLateParts(binder: Binder, call: Call, parts: readonly Bound[]): void {
  for (const part of parts) {
    if (!hasHits(part) && !isOfSelectList(part) && !hasDelay(part)) continue;
    binder.report("E216", `${call.name.name}() is computed before this value is there`, part.span, useColumns);
  }
}

/** Where hits are counted, apart from WHEN of OVER. */
const clausesOf: Readonly<Record<BoundHits["of"], readonly Clause[]>> = {
  rows: ["select", "where", "trigger"],
  lists: ["select", "having"],
};

const placesOf: Readonly<Record<BoundHits["of"], string>> = {
  rows: "it may stand in the select list, in WHERE and in OVER (WHEN …)",
  lists: "it may stand in the select list and in HAVING",
};

function bindHits(binder: Binder, call: Call, bound: BoundHits): Bound {
  refuseOver(binder, call);
  const name = `${call.name.name}()`;
  if (bound.of === "lists" && !binder.allowCall("aggregate", call)) return nothing(call);
  const allowed = binder.inWhen
    ? bound.of === "rows"
    : binder.inside === undefined && clausesOf[bound.of].includes(binder.clause);
  if (!allowed) {
    const where = binder.inside === undefined ? binder.clause.toUpperCase() : `an ${binder.inside} call`;
    binder.report("E216", `${name} cannot stand in ${where}`, call.span, placesOf[bound.of]);
    return nothing(call);
  }
  if (bound.of === "rows" && binder.clause !== "trigger") binder.rowHits.push(call);
  return bound;
}

/** Rows are counted one by one: behind a window or a join there are lists. */
export function checkRowHits(binder: Binder, groupsOrJoins: boolean): void {
  if (!groupsOrJoins) return;
  for (const call of binder.rowHits) {
    const name = call.name.name;
    binder.report(
      "E216",
      `${name}() cannot stand in a statement with GROUP BY or joins`,
      call.span,
      `in HAVING, use ${name.toLowerCase().replace("last_", "last_agg_")}()`,
    );
  }
}

/** In front of these clauses stands a step that waits. */
const delayed: readonly Clause[] = ["select", "where", "having"];

const delayedPlaces = "it may stand in the select list, in WHERE and in HAVING, outside other calls that keep a state";

/** Reports a call that holds up the rule where no step waits for it. */
export function checkDelay(binder: Binder, call: Call, fn: SqlFunction, args: readonly Bound[]): void {
  if (fn.kind !== "scalar" || fn.delays !== true) return;
  // The step waits in front of the clause, whose hits it does not know.
  if (hasHits(args[0]!)) {
    binder.report("E216", `${call.name.name}() is computed before this value is there`, args[0]!.span, useColumns);
  }
  if (delayed.includes(binder.clause) && binder.inside === undefined) return;
  const where = binder.inside === undefined ? binder.clause.toUpperCase() : `an ${binder.inside} call`;
  binder.report("E216", `${call.name.name}() cannot stand in ${where}`, call.span, delayedPlaces);
}

const isCountOfLists = (part: Bound): boolean => part.kind === "hits" && part.of === "lists";

/** An alias may stand where its definition may. */
export function checkAliasUse(binder: Binder, name: string, expr: Bound, span: Bound["span"]): void {
  if (isOfSelectList(expr) && (binder.clause !== "select" || binder.inside !== undefined)) {
    const hint = "select it here, and use its value in a second rule";
    binder.report("E216", `Alias "${name}" has a value only in the select list`, span, hint);
  }
  const { clause, inside } = binder;
  if (hasDelay(expr) && (inside !== undefined || !delayed.includes(clause))) {
    binder.report("E216", `Alias "${name}" holds up the rule, and cannot stand here`, span, delayedPlaces);
  }
  const uncounted = hasHits(expr) &&
    (inside !== undefined || some(expr, (part) => part.kind === "hits" && !clausesOf[part.of].includes(clause)));
  if (uncounted) {
    const hint = `write the call itself: ${some(expr, isCountOfLists) ? placesOf.lists : placesOf.rows}`;
    binder.report("E216", `Alias "${name}" counts what passes its clause, and cannot stand here`, span, hint);
  }
}

/** True, after a report, where an alias names columns or rows instead of a value. */
export function refuseStageAlias(binder: Binder, item: SelectItem, name: string, span: Bound["span"]): boolean {
  const made = stageItemOf(binder, item);
  if (made === undefined) return false;
  const owner = binder.scope.sources[0];
  binder.report(
    "E216",
    `"${name}" is the output of ${made.call.name.name}() and cannot be used elsewhere`,
    span,
    `to reach a column, write ${owner?.alias ?? owner?.name ?? "source"}.${name}`,
  );
  return true;
}
