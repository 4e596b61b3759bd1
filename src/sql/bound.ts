/**
 * Expressions with their meaning: names resolved to columns, aliases or slots, calls to functions, types where known.
 *
 * Made by analyze from the syntax tree, rewritten by the planner, turned into closures by compile.
 * @module
 */
import type { Span } from "../diagnostics/diagnostic.ts";
import type { Value } from "../value/value.ts";
import type { BinaryOperator } from "./ast.ts";
import type { SqlFunction } from "./functions/declare.ts";
import type { StaticType } from "./types.ts";

interface BoundBase {
  readonly span: Span;
  readonly type: StaticType;
}

export interface BoundConstant extends BoundBase {
  readonly kind: "constant";
  readonly value: Value;
}

/** Column `name` of the source at position `source` in FROM; -1 for the first source of the row that has the key. */
export interface BoundColumn extends BoundBase {
  readonly kind: "column";
  readonly source: number;
  readonly name: string;
}

/** The whole row, as an argument of `count(*)` or `collect(*)`. */
export interface BoundStar extends BoundBase {
  readonly kind: "star";
  readonly except: readonly string[];
  readonly replace: readonly { readonly name: string; readonly expr: Bound }[];
}

/** An alias used outside its own definition. It is computed once per row and kept in its slot. */
export interface BoundAlias extends BoundBase {
  readonly kind: "alias";
  readonly name: string;
  readonly slot: number;
  readonly expr: Bound;
}

/** A call of a scalar or row function. */
export interface BoundCall extends BoundBase {
  readonly kind: "call";
  readonly fn: Extract<SqlFunction, { kind: "scalar" | "row" }>;
  readonly args: readonly Bound[];
  /** A row function that is about the row of this source: `meta(source.key)`. */
  readonly source?: number;
}

/** An aggregate's result, which the aggregation step has left in `slot`. */
export interface BoundAggregate extends BoundBase {
  readonly kind: "aggregate";
  readonly slot: number;
  readonly fn: Extract<SqlFunction, { kind: "aggregate" }>;
  readonly args: readonly Bound[];
}

/** An analytic function's result, which the analytic step has left in `slot`. */
export interface BoundAnalytic extends BoundBase {
  readonly kind: "analytic";
  readonly slot: number;
  readonly fn: Extract<SqlFunction, { kind: "analytic" }>;
  readonly args: readonly Bound[];
  readonly partitionBy: readonly Bound[];
  readonly when: Bound | undefined;
}

/** The number of the row, which the step behind HAVING has left in `slot`. */
export interface BoundRowNumber extends BoundBase {
  readonly kind: "row_number";
  readonly slot: number;
  readonly partitionBy: readonly Bound[];
  readonly orderBy: readonly { readonly expr: Bound; readonly descending: boolean }[];
}

/** What is left of the row's span of time; the step that has held the row back has left it in `slot`. */
export interface BoundDedupTrigger extends BoundBase {
  readonly kind: "dedup_trigger";
  readonly slot: number;
  /** `start`, `end` and `now`, Unix milliseconds. */
  readonly args: readonly Bound[];
  /** Milliseconds. */
  readonly expire: number;
}

/** What the clause that it stands in was passed by before: rows, or lists of windows. */
export interface BoundHits extends BoundBase {
  readonly kind: "hits";
  readonly of: "rows" | "lists";
  readonly gives: "count" | "time";
}

export interface BoundMember extends BoundBase {
  readonly kind: "member";
  readonly base: Bound;
  readonly key: string;
}

export interface BoundIndex extends BoundBase {
  readonly kind: "index";
  readonly base: Bound;
  readonly index: Bound;
}

export interface BoundSlice extends BoundBase {
  readonly kind: "slice";
  readonly base: Bound;
  readonly from: Bound | undefined;
  readonly to: Bound | undefined;
}

export interface BoundBinary extends BoundBase {
  readonly kind: "binary";
  readonly operator: Exclude<BinaryOperator, "AND" | "OR">;
  readonly left: Bound;
  readonly right: Bound;
}

/** A whole chain of AND or of OR, at least two operands: generated rules have chains of thousands. */
export interface BoundLogical extends BoundBase {
  readonly kind: "logical";
  readonly operator: "AND" | "OR";
  readonly operands: readonly Bound[];
}

export interface BoundIn extends BoundBase {
  readonly kind: "in";
  readonly negated: boolean;
  readonly operand: Bound;
  readonly list: readonly Bound[] | undefined;
  readonly array: Bound | undefined;
}

export interface BoundBetween extends BoundBase {
  readonly kind: "between";
  readonly negated: boolean;
  readonly operand: Bound;
  readonly low: Bound;
  readonly high: Bound;
}

export interface BoundLike extends BoundBase {
  readonly kind: "like";
  readonly negated: boolean;
  readonly operand: Bound;
  readonly pattern: Bound;
}

export interface BoundCase extends BoundBase {
  readonly kind: "case";
  readonly operand: Bound | undefined;
  readonly branches: readonly { readonly when: Bound; readonly then: Bound }[];
  readonly otherwise: Bound | undefined;
}

export type Bound =
  | BoundConstant
  | BoundColumn
  | BoundStar
  | BoundAlias
  | BoundCall
  | BoundAggregate
  | BoundAnalytic
  | BoundRowNumber
  | BoundDedupTrigger
  | BoundHits
  | BoundMember
  | BoundIndex
  | BoundSlice
  | BoundBinary
  | BoundLogical
  | BoundIn
  | BoundBetween
  | BoundLike
  | BoundCase;

/** The direct parts of an expression, left to right. */
export function childrenOf(bound: Bound): readonly Bound[] {
  switch (bound.kind) {
    case "constant":
    case "column":
    case "hits":
      return [];
    case "star":
      return bound.replace.map((r) => r.expr);
    case "alias":
      return [bound.expr];
    case "call":
    case "aggregate":
    case "dedup_trigger":
      return bound.args;
    case "row_number":
      return [...bound.partitionBy, ...bound.orderBy.map((by) => by.expr)];
    case "analytic":
      return [...bound.args, ...bound.partitionBy, ...(bound.when === undefined ? [] : [bound.when])];
    case "member":
      return [bound.base];
    case "index":
      return [bound.base, bound.index];
    case "slice":
      return [bound.base, bound.from, bound.to].filter((b) => b !== undefined);
    case "binary":
      return [bound.left, bound.right];
    case "logical":
      return bound.operands;
    case "in":
      return [bound.operand, ...(bound.list ?? []), ...(bound.array === undefined ? [] : [bound.array])];
    case "between":
      return [bound.operand, bound.low, bound.high];
    case "like":
      return [bound.operand, bound.pattern];
    case "case":
      return [
        ...(bound.operand === undefined ? [] : [bound.operand]),
        ...bound.branches.flatMap((b) => [b.when, b.then]),
        ...(bound.otherwise === undefined ? [] : [bound.otherwise]),
      ];
    default:
      return bound satisfies never;
  }
}

/**
 * True when `test` holds for `bound` or any part of it. The definition of an alias is looked at once, however often it
 * is used: aliases of aliases would otherwise double the work with each step.
 */
export function some(bound: Bound, test: (part: Bound) => boolean): boolean {
  const pending: Bound[] = [bound];
  const definitions = new Set<Bound>();
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    if (test(part)) return true;
    if (part.kind === "alias") {
      if (definitions.has(part.expr)) continue;
      definitions.add(part.expr);
    }
    pending.push(...childrenOf(part));
  }
  return false;
}

/** As {@linkcode some} for one test, asked often: what is known of an alias's definition is not looked up again. */
function remembering(test: (part: Bound) => boolean): (bound: Bound) => boolean {
  const known = new WeakMap<Bound, boolean>();
  const holds = (bound: Bound): boolean => {
    const before = known.get(bound);
    if (before !== undefined) return before;
    const pending: Bound[] = [bound];
    let result = false;
    for (let part = pending.pop(); part !== undefined && !result; part = pending.pop()) {
      if (part.kind === "alias") result = holds(part.expr);
      else if (test(part)) result = true;
      else pending.push(...childrenOf(part));
    }
    known.set(bound, result);
    return result;
  };
  return holds;
}

/** True when the expression needs the result of an aggregate. */
export const hasAggregate: (bound: Bound) => boolean = remembering((part) =>
  part.kind === "aggregate" || (part.kind === "hits" && part.of === "lists")
);

/** True when the expression asks how often its clause was passed. */
export const hasHits: (bound: Bound) => boolean = remembering((part) => part.kind === "hits");

/** True when the expression holds up the rule. */
export const hasDelay: (bound: Bound) => boolean = remembering(isDelay);

export function isDelay(part: Bound): part is BoundCall {
  return part.kind === "call" && part.fn.kind === "scalar" && part.fn.delays === true;
}

/** True when the expression has a value only in the select list: the steps that compute it stand right before it. */
export const isOfSelectList: (bound: Bound) => boolean = remembering((part) =>
  part.kind === "row_number" || part.kind === "dedup_trigger"
);

/** True when the expression may have another value behind a window or an aggregation than before it, on the same row. */
export const changesOnTheWay: (bound: Bound) => boolean = remembering((part) =>
  part.kind === "aggregate" || (part.kind === "call" && part.fn.kind === "row")
);

/** The slots of the aggregates that `bound` needs. */
export function aggregateSlots(bound: Bound): Set<number> {
  const slots = new Set<number>();
  some(bound, (part) => {
    if (part.kind === "aggregate") slots.add(part.slot);
    return false;
  });
  return slots;
}

/** The positions of the sources whose columns `bound` uses; -1 for a bare name that several may have. */
export function sourcesUsed(bound: Bound): Set<number> {
  const used = new Set<number>();
  some(bound, (part) => {
    if (part.kind === "column") used.add(part.source);
    // The whole row is made of all sources.
    else if (part.kind === "star") used.add(-1);
    return false;
  });
  return used;
}

/** The parts of a condition between its ANDs, those inside parentheses included. */
export function conjuncts(condition: Bound): readonly Bound[] {
  return condition.kind === "logical" && condition.operator === "AND"
    ? condition.operands.flatMap(conjuncts)
    : [condition];
}

/** The condition that holds when all parts do; undefined for none. */
export function conjunction(parts: readonly Bound[]): Bound | undefined {
  const [first, ...rest] = parts;
  if (first === undefined || rest.length === 0) return first;
  const span = { start: first.span.start, end: rest.at(-1)!.span.end };
  return { kind: "logical", operator: "AND", operands: parts, type: "boolean", span };
}
