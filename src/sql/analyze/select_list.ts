/**
 * The select list: what each item gives out, and the names that others know it by.
 * @module
 */
import { type Diagnostic, diagnostic, type Span } from "../../diagnostics/diagnostic.ts";
import type { Expr, SelectItem } from "../ast.ts";
import type { Bound } from "../bound.ts";
import type { AliasEntry, Binder } from "./binder.ts";
import { bindStageItem, type StageFunction, type StageItem, stageItemOf } from "./stage_calls.ts";

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
