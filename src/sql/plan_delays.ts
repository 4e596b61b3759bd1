/**
 * Where a statement waits: `delay()` holds up the rule in front of the clause that calls it.
 * @module
 */
import { type Bound, type BoundCall, isDelay, some } from "./bound.ts";
import type { Plan } from "./plan.ts";

/** Puts the step that waits in front of a clause, where the clause calls for it. */
export type Delays = (input: Plan, clause: readonly Bound[]) => Plan;

/** For one statement: a call that several clauses use, through its alias, waits once, in front of the first of them. */
export function planDelays(): Delays {
  const placed = new Set<BoundCall>();
  return (input, clause) => {
    const calls: BoundCall[] = [];
    for (const bound of clause) {
      some(bound, (part) => {
        if (isDelay(part) && !placed.has(part)) {
          placed.add(part);
          calls.push(part);
        }
        return false;
      });
    }
    return calls.length === 0 ? input : { kind: "delay", input, calls };
  };
}
