/**
 * Group commit: what is given within one turn of the event loop shares one transaction, because a transaction costs
 * about as much as twenty rows in it, and a flush of the disk a hundred times that.
 * @module
 */
import type { Durability } from "./delivery_store.ts";

/** What became of one unit. `error` concerns this unit alone. */
export type Outcome<Result> = { readonly result: Result } | { readonly error: unknown };

interface Waiting<Unit, Result> {
  readonly unit: Unit;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export class GroupCommit<Unit, Result> {
  readonly #transact: (units: readonly Unit[], durability: Durability) => readonly Outcome<Result>[];
  readonly #schedule: (run: () => void) => void;
  #waiting: Waiting<Unit, Result>[] = [];
  #durability: Durability = "process";

  /**
   * @param transact does the units in one transaction and gives an outcome for each; it throws when none of them is kept
   * @param schedule calls `run` at the end of this turn
   */
  constructor(
    transact: (units: readonly Unit[], durability: Durability) => readonly Outcome<Result>[],
    schedule: (run: () => void) => void,
  ) {
    this.#transact = transact;
    this.#schedule = schedule;
  }

  add(unit: Unit, durability: Durability): Promise<Result> {
    if (this.#waiting.length === 0) this.#schedule(() => this.flush());
    if (durability === "power") this.#durability = "power";
    return new Promise((resolve, reject) => this.#waiting.push({ unit, resolve, reject }));
  }

  flush(): void {
    const group = this.#waiting;
    if (group.length === 0) return;
    const durability = this.#durability;
    this.#waiting = [];
    this.#durability = "process";
    let outcomes: readonly Outcome<Result>[];
    try {
      outcomes = this.#transact(group.map(({ unit }) => unit), durability);
    } catch (error) {
      for (const { reject } of group) reject(error);
      return;
    }
    for (const [i, { resolve, reject }] of group.entries()) {
      const outcome = outcomes[i]!;
      if ("error" in outcome) reject(outcome.error);
      else resolve(outcome.result);
    }
  }
}
