/**
 * What has passed one clause: what `last_hit_count()` and its kin read. All calls of a clause read the same counter, since
 * they are passed together.
 *
 * @example
 * ```ts
 * const hits = hitCounterFor(condition);
 * const holds = compileCondition(condition, "WHERE", { ...context, hits });
 * if (holds(row)) hits?.pass(row.time);
 * ```
 * @module
 */
import { type Bound, hasHits } from "../sql/bound.ts";
import type { Hits } from "../sql/compile/evaluator.ts";
import type { Value } from "../value/value.ts";

export class HitCounter implements Hits {
  count = 0n;
  time = 0n;

  /** Called after the condition has held; `time` is that of the row, or the trigger time of the window. */
  pass(time: number): void {
    this.count++;
    this.time = BigInt(Math.trunc(time));
  }

  snapshot(): Value {
    return [this.count, this.time];
  }

  restore(state: Value): void {
    [this.count, this.time] = state as [bigint, bigint];
  }
}

/** A counter where some of `parts` ask for it; undefined where there is nothing to count for. */
export function hitCounterFor(...parts: readonly (Bound | undefined)[]): HitCounter | undefined {
  return parts.some((part) => part !== undefined && hasHits(part)) ? new HitCounter() : undefined;
}

/** `context` with the counter of the clause that is compiled, when there is one. */
export function withHits<Context extends object>(
  context: Context,
  hits: HitCounter | undefined,
): Context & { readonly hits?: Hits } {
  return hits === undefined ? context : { ...context, hits };
}
