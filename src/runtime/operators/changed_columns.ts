/**
 * `changed_cols(prefix, ignoreNull, x, …)`: a column for each value that differs from the one last seen by the call.
 *
 * Everything is evaluated before anything is remembered, so a row that fails changes nothing.
 * @module
 */
import type { OutputChanges } from "../../sql/analyze/select_list.ts";
import { compileArguments } from "../../sql/compile/calls.ts";
import { compileExpression } from "../../sql/compile/compile.ts";
import type { CompileContext, Evaluator } from "../../sql/compile/evaluator.ts";
import { valuesEqual } from "../../value/equal.ts";
import type { Row } from "../../value/row.ts";
import { getOwn, setOwn, type Struct, type Value } from "../../value/value.ts";
import type { HitCounter } from "../hit_counter.ts";

/** What a select list remembers: its calls of `changed_cols`, and the count of its hits. Null when it remembers nothing. */
export function snapshotList(changes: readonly ChangedColumns[], hits: HitCounter | undefined): Value {
  if (changes.length === 0 && hits === undefined) return null;
  return [changes.map((each) => each.snapshot()), hits?.snapshot() ?? null];
}

/** Takes back what {@linkcode snapshotList} gave. */
export function restoreList(state: Value, changes: readonly ChangedColumns[], hits: HitCounter | undefined): void {
  const [ofChanges, ofHits] = state as [Value[], Value];
  for (const [i, each] of changes.entries()) each.restore(ofChanges[i]);
  if (ofHits !== null) hits?.restore(ofHits);
}

/** One `x`: a single value, or the columns of a star by name. */
interface Watched {
  readonly name: string;
  readonly ofStar: boolean;
  readonly evaluate: Evaluator;
}

export class ChangedColumns {
  readonly #prefix: Evaluator;
  readonly #ignoreNull: Evaluator;
  readonly #watched: readonly Watched[];
  /** The value last seen: by position, and for a star by name at its position. */
  #seen: Value[];

  constructor({ fn, args, names }: OutputChanges, context: CompileContext) {
    const [prefix, ignoreNull, ...values] = compileArguments(
      fn,
      args,
      context,
      (part) => compileExpression(part, context),
    );
    this.#prefix = prefix!;
    this.#ignoreNull = ignoreNull!;
    this.#watched = values.map((evaluate, i) => ({
      name: names[i]!,
      ofStar: args[i + 2]!.kind === "star",
      evaluate,
    }));
    this.#seen = this.#watched.map(({ ofStar }) => ofStar ? {} : null);
  }

  /** Adds what has changed to `out`. */
  write(row: Row, out: Struct): void {
    const prefix = (this.#prefix(row) as string | null) ?? "";
    const ignoreNull = this.#ignoreNull(row) === true;
    const values = this.#watched.map(({ evaluate }) => evaluate(row));
    for (const [i, { name, ofStar }] of this.#watched.entries()) {
      const value = values[i];
      if (!ofStar) {
        if (!isChange(this.#seen[i], value, ignoreNull)) continue;
        this.#seen[i] = value ?? null;
        setOwn(out, prefix + name, value ?? null);
        continue;
      }
      const seen = this.#seen[i] as Struct;
      const columns = value as Struct;
      for (const column of Object.keys(columns)) {
        if (!isChange(getOwn(seen, column), columns[column], ignoreNull)) continue;
        setOwn(seen, column, columns[column] ?? null);
        setOwn(out, prefix + column, columns[column] ?? null);
      }
    }
  }

  /** What was seen last, to come back to with {@linkcode restore} when the list that a row belongs to fails. */
  mark(): Value {
    return this.#seen.map((value, i) => this.#watched[i]!.ofStar ? { ...(value as Struct) } : value);
  }

  snapshot(): Value {
    return this.#seen;
  }

  restore(state: Value): void {
    this.#seen = state as Value[];
  }
}

function isChange(seen: Value, value: Value, ignoreNull: boolean): boolean {
  if (ignoreNull && (value === null || value === undefined)) return false;
  return !valuesEqual(seen, value);
}
