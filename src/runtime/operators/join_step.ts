/**
 * One join: what has been joined so far on the left, the rows of one source on the right.
 *
 * ON is evaluated pair by pair. Where it begins with equalities between the two sides, the right rows are put into a
 * table by their keys, and only pairs with equal keys are looked at; the result is the same.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { type Bound, conjunction, conjuncts, sourcesUsed } from "../../sql/bound.ts";
import { compileExpression } from "../../sql/compile/compile.ts";
import type { CompileContext, Evaluator } from "../../sql/compile/evaluator.ts";
import type { JoinStep } from "../../sql/plan.ts";
import type { Row } from "../../value/row.ts";
import { kindOf, type Value } from "../../value/value.ts";
import type { JoinRows, Parts } from "./joined_row.ts";

/** More joined rows than this in one list are refused: a CROSS JOIN of two large windows would take all memory. */
export const joinedRowsMax = 1_000_000;

interface Equality {
  readonly left: Bound;
  readonly right: Bound;
}

export class CompiledStep {
  readonly #step: JoinStep;
  readonly #joinRows: JoinRows;
  /** The whole of ON; undefined when every pair matches. */
  readonly #on: Evaluator | undefined;
  readonly #keys: readonly { readonly left: Evaluator; readonly right: Evaluator }[];
  /** What ON says beyond the keys. */
  readonly #rest: Evaluator | undefined;

  constructor(step: JoinStep, joinRows: JoinRows, context: CompileContext) {
    this.#step = step;
    this.#joinRows = joinRows;
    const { equalities, rest } = splitOn(step);
    this.#on = step.on === undefined ? undefined : compileExpression(step.on, context);
    this.#keys = equalities.map(({ left, right }) => ({
      left: compileExpression(left, context),
      right: compileExpression(right, context),
    }));
    this.#rest = rest === undefined ? undefined : compileExpression(rest, context);
  }

  /**
   * Joins every part of `lefts` with the rows of the right source, in the order of the kind of join.
   *
   * @throws {RowError} when ON cannot be evaluated, or E511 when the result is too large.
   */
  join(lefts: readonly Parts[], rights: readonly Row[]): Parts[] {
    const { type, source } = this.#step;
    const matches = this.#matches(lefts, rights);
    const out: Parts[] = [];
    const add = (left: Parts | undefined, right: Row | undefined) => {
      if (out.length === joinedRowsMax) tooLarge();
      const parts = left === undefined ? [] : left.slice();
      parts[source] = right;
      out.push(parts);
    };
    if (type === "right") {
      const byRight: Parts[][] = rights.map(() => []);
      for (const [i, found] of matches.entries()) for (const j of found) byRight[j]!.push(lefts[i]!);
      for (const [j, found] of byRight.entries()) {
        if (found.length === 0) add(undefined, rights[j]);
        for (const left of found) add(left, rights[j]);
      }
      return out;
    }
    const keepsLeft = type === "left" || type === "full";
    const matched = new Set<number>();
    for (const [i, found] of matches.entries()) {
      for (const j of found) {
        add(lefts[i], rights[j]);
        if (type === "full") matched.add(j);
      }
      if (found.length === 0 && keepsLeft) add(lefts[i], undefined);
    }
    if (type === "full") { for (const [j, right] of rights.entries()) if (!matched.has(j)) add(undefined, right); }
    return out;
  }

  /** For each left row the positions of the right rows that match, in order. */
  #matches(lefts: readonly Parts[], rights: readonly Row[]): readonly (readonly number[])[] {
    const table = this.#keys.length === 0 ? undefined : this.#index(lefts, rights);
    const condition = table === undefined ? this.#on : this.#rest;
    const all = [...rights.keys()];
    let pairs = 0;
    return lefts.map((left, i) => {
      const candidates = table === undefined ? all : table.of(i);
      const found = condition === undefined
        ? candidates
        : candidates.filter((j) => this.#holds(condition, left, rights[j]!));
      pairs += found.length;
      if (pairs > joinedRowsMax) tooLarge();
      return found;
    });
  }

  #holds(condition: Evaluator, left: Parts, right: Row): boolean {
    const value = condition(this.#pair(left, right));
    if (typeof value === "boolean") return value;
    throw new RowError("E504", `ON must give true or false, found ${kindOf(value)}`);
  }

  #pair(left: Parts, right: Row | undefined): Row {
    const parts = left.slice();
    parts[this.#step.source] = right;
    return this.#joinRows(parts, undefined);
  }

  /**
   * The right rows by key, unless the keys are not all of one kind: then comparing some pair is an error, which only
   * comparing the pairs finds.
   */
  #index(lefts: readonly Parts[], rights: readonly Row[]): { of(left: number): readonly number[] } | undefined {
    const kinds: (string | undefined)[] = this.#keys.map(() => undefined);
    let uniform = true;
    const keyOf = (row: Row, side: "left" | "right"): string | undefined => {
      let key = "";
      for (let i = 0; i < this.#keys.length; i++) {
        const value = this.#keys[i]![side](row);
        // Null is equal to nothing, so the keys behind it are not looked at either.
        if (value === null || value === undefined) return undefined;
        const kind = typeof value === "bigint" ? "number" : typeof value;
        if (kind === "object" || (kinds[i] !== undefined && kinds[i] !== kind)) uniform = false;
        kinds[i] = kind;
        const text = keyText(value);
        key += `${text.length}:${text}`;
      }
      return key;
    };
    const byKey = new Map<string, number[]>();
    for (const [j, right] of rights.entries()) {
      const key = keyOf(this.#pair([], right), "right");
      if (key === undefined) continue;
      const known = byKey.get(key);
      if (known === undefined) byKey.set(key, [j]);
      else known.push(j);
    }
    const none: readonly number[] = [];
    const found = lefts.map((left) => {
      const key = keyOf(this.#pair(left, undefined), "left");
      return key === undefined ? none : byKey.get(key) ?? none;
    });
    return uniform ? { of: (left) => found[left]! } : undefined;
  }
}

/** Ints and floats that are equal have one text. */
function keyText(value: Value): string {
  if (typeof value === "bigint") {
    const float = Number(value);
    return BigInt(float) === value ? String(float) : String(value);
  }
  return String(value);
}

function tooLarge(): never {
  throw new RowError("E511", `The join gives more than ${joinedRowsMax} rows: narrow its ON, or the window`);
}

/** The equalities that ON begins with and that have one side each, and what follows them. */
function splitOn({ on, source }: JoinStep): { equalities: Equality[]; rest: Bound | undefined } {
  const parts = on === undefined ? [] : conjuncts(on);
  const equalities: Equality[] = [];
  for (const part of parts) {
    const equality = equalityOf(part, source);
    if (equality === undefined) break;
    equalities.push(equality);
  }
  return { equalities, rest: conjunction(parts.slice(equalities.length)) };
}

function equalityOf(part: Bound, source: number): Equality | undefined {
  if (part.kind !== "binary" || part.operator !== "=") return undefined;
  for (const [left, right] of [[part.left, part.right], [part.right, part.left]] as const) {
    const ofLeft = sourcesUsed(left);
    const ofRight = sourcesUsed(right);
    const isSplit = ofRight.size === 1 && ofRight.has(source) && !ofLeft.has(source) && !ofLeft.has(-1);
    if (isSplit) return { left, right };
  }
  return undefined;
}
