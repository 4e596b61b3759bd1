/**
 * Leaves units alone that do not answer, longer each time, so that a dead one costs a line at most one time-out now and
 * then, and an answer that comes late finds nobody whom it could deceive.
 * @module
 */

interface Rest {
  readonly failures: number;
  /** When it began, and how long it is. */
  at: number;
  readonly ms: number;
}

export class UnitRests {
  readonly #firstMs: number;
  readonly #maxMs: number;
  readonly #rests = new Map<number, Rest>();

  /** The first rest is `firstMs` long; each further one twice as long as the one before, up to `maxMs`. */
  constructor(firstMs: number, maxMs: number) {
    this.#firstMs = firstMs;
    this.#maxMs = Math.max(firstMs, maxMs);
  }

  /** The unit has not answered. */
  begin(unitId: number, now: number): void {
    const failures = this.#rests.get(unitId)?.failures ?? 0;
    const ms = Math.min(this.#maxMs, this.#firstMs * 2 ** failures);
    this.#rests.set(unitId, { failures: Math.min(failures + 1, 30), at: now, ms });
  }

  /** The unit has answered. */
  end(unitId: number): void {
    this.#rests.delete(unitId);
  }

  /** True from its first silence until it answers. */
  isSilent(unitId: number): boolean {
    return this.#rests.has(unitId);
  }

  /** Milliseconds until the unit may be asked again; 0 when it may. */
  left(unitId: number, now: number): number {
    const rest = this.#rests.get(unitId);
    if (rest === undefined) return 0;
    // A clock that was set back would let the unit rest for as long as that.
    rest.at = Math.min(rest.at, now);
    return Math.max(0, rest.at + rest.ms - now);
  }
}
