/**
 * One join: what has been joined so far on the left, the rows of one source on the right.
 *
 * ON is evaluated pair by pair. Where it begins with equalities between the two sides, the right rows are put into an
 * index by their keys, and only pairs with equal keys are looked at; the result is the same, errors included.
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

/**
 * More joined rows than this in one list are refused: a CROSS JOIN of two large windows would take all memory, and hold
 * up the agent for seconds.
 */
export const joinedRowsMax = 100_000;

/** Nor does one join look at more pairs than this, which take some 150 ms. Equalities in ON spare nearly all of them. */
export const pairsMax = 2_000_000;

interface Equality {
  readonly left: Bound;
  readonly right: Bound;
}

/** What the keys at one position have in common. */
type KeyKind = string | undefined;

/** The right rows by their keys. */
interface RightIndex {
  readonly byKey: ReadonlyMap<string, readonly number[]>;
  readonly kinds: readonly KeyKind[];
}

const none: readonly number[] = [];

export class CompiledStep {
  readonly #step: JoinStep;
  readonly #joinRows: JoinRows;
  /** True when a pair has slots of its own, which are other ones for the next pair. */
  readonly #hasAnalytics: boolean;
  /** The whole of ON; undefined when every pair matches. */
  readonly #on: Evaluator | undefined;
  readonly #keys: readonly { readonly left: Evaluator; readonly right: Evaluator }[];
  /** What ON says beyond the keys. */
  readonly #rest: Evaluator | undefined;
  /** Whether the keys of a right row are always the same. */
  readonly #keepsIndex: boolean;
  /** The index of the latest right rows, as long as they can come again. */
  #kept: { readonly rights: readonly Row[]; readonly index: RightIndex | undefined } | undefined;

  /** `ofTable`: the right rows are those of a scan table, the same array until it changes. */
  constructor(step: JoinStep, joinRows: JoinRows, context: CompileContext, ofTable: boolean, hasAnalytics: boolean) {
    this.#step = step;
    this.#joinRows = joinRows;
    this.#hasAnalytics = hasAnalytics;
    const { equalities, rest } = splitOn(step);
    this.#on = step.on === undefined ? undefined : compileExpression(step.on, context);
    this.#keys = equalities.map(({ left, right }) => ({
      left: compileExpression(left, context),
      right: compileExpression(right, context),
    }));
    this.#rest = rest === undefined ? undefined : compileExpression(rest, context);
    this.#keepsIndex = ofTable && equalities.every(({ right }) => right.kind === "column");
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
    if (lefts.length === 0 || rights.length === 0) return lefts.map(() => none);
    const byKeys = this.#keys.length === 0 ? undefined : this.#sameKeys(lefts, rights);
    const condition = byKeys === undefined ? this.#on : this.#rest;
    const all = byKeys === undefined ? [...rights.keys()] : none;
    let looked = 0;
    let matching = 0;
    return lefts.map((left, i) => {
      const candidates = byKeys === undefined ? all : byKeys[i]!;
      if (condition !== undefined && (looked += candidates.length) > pairsMax) tooManyPairs();
      const found = condition === undefined ? candidates : this.#filter(condition, left, rights, candidates);
      matching += found.length;
      if (matching > joinedRowsMax) tooLarge();
      return found;
    });
  }

  #filter(
    condition: Evaluator,
    left: Parts,
    rights: readonly Row[],
    candidates: readonly number[],
  ): readonly number[] {
    if (candidates.length === 0) return none;
    const { source } = this.#step;
    const parts = left.slice();
    parts[source] = rights[candidates[0]!];
    let pair = this.#joinRows(parts, undefined);
    const found: number[] = [];
    for (const j of candidates) {
      // One row serves all pairs: there may be millions of them.
      parts[source] = rights[j];
      if (this.#hasAnalytics) pair = this.#joinRows(parts, undefined);
      else pair.slots = undefined;
      const value = condition(pair);
      if (value === true) found.push(j);
      else if (value !== false) throw new RowError("E504", `ON must give true or false, found ${kindOf(value)}`);
    }
    return found;
  }

  #pair(left: Parts, right: Row | undefined): Row {
    const parts = left.slice();
    parts[this.#step.source] = right;
    return this.#joinRows(parts, undefined);
  }

  /**
   * For each left row the right rows with equal keys. Undefined when a key cannot be computed, or the keys are not all
   * of one kind: then comparing some pair may be an error, which only comparing the pairs finds.
   */
  #sameKeys(lefts: readonly Parts[], rights: readonly Row[]): readonly (readonly number[])[] | undefined {
    const index = this.#indexOf(rights);
    if (index === undefined) return undefined;
    const kinds = [...index.kinds];
    try {
      const found: (readonly number[])[] = [];
      for (const left of lefts) {
        const key = this.#keyOf(this.#pair(left, undefined), "left", kinds);
        if (key === mixed) return undefined;
        found.push(key === undefined ? none : index.byKey.get(key) ?? none);
      }
      return found;
    } catch (error) {
      if (error instanceof RowError) return undefined;
      throw error;
    }
  }

  #indexOf(rights: readonly Row[]): RightIndex | undefined {
    if (this.#kept?.rights === rights) return this.#kept.index;
    const index = this.#makeIndex(rights);
    if (this.#keepsIndex) this.#kept = { rights, index };
    return index;
  }

  #makeIndex(rights: readonly Row[]): RightIndex | undefined {
    const kinds: KeyKind[] = this.#keys.map(() => undefined);
    const byKey = new Map<string, number[]>();
    try {
      for (let j = 0; j < rights.length; j++) {
        const key = this.#keyOf(this.#pair([], rights[j]), "right", kinds);
        if (key === mixed) return undefined;
        if (key === undefined) continue;
        const known = byKey.get(key);
        if (known === undefined) byKey.set(key, [j]);
        else known.push(j);
      }
    } catch (error) {
      if (error instanceof RowError) return undefined;
      throw error;
    }
    return { byKey, kinds };
  }

  /** The keys of a row as one text; undefined when it matches nothing. Notes their kinds in `kinds`. */
  #keyOf(row: Row, side: "left" | "right", kinds: KeyKind[]): string | typeof mixed | undefined {
    let key = "";
    for (let i = 0; i < this.#keys.length; i++) {
      const value = this.#keys[i]![side](row);
      // Null is equal to nothing, so the keys behind it are not looked at either; nor is NaN.
      if (value === null || value === undefined || Number.isNaN(value)) return undefined;
      const kind = typeof value === "bigint" ? "number" : typeof value;
      if (kind === "object" || (kinds[i] !== undefined && kinds[i] !== kind)) return mixed;
      kinds[i] = kind;
      const text = keyText(value);
      key += `${text.length}:${text}`;
    }
    return key;
  }
}

/** Keys of several kinds, or of one that has no text to compare by. */
const mixed = Symbol("mixed");

/** Ints and floats that are equal have one text. */
function keyText(value: Value): string {
  if (typeof value === "bigint") {
    const float = Number(value);
    return BigInt(float) === value ? String(float) : String(value);
  }
  return String(value);
}

function tooManyPairs(): never {
  throw new RowError(
    "E511",
    `The join has more than ${pairsMax} pairs to look at: let ON begin with an equality, or narrow the window`,
  );
}

/** @throws {RowError} E511. */
export function tooLarge(): never {
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
