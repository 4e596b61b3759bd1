/**
 * A clock that stands until a test moves it.
 * @module
 */
import { setImmediate } from "node:timers";
import type { Clock } from "../src/connector/context.ts";
import { sleepWith } from "../src/connector/sleep.ts";

interface Timer {
  at: number;
  readonly callback: () => void;
}

export class HandClock implements Clock {
  #now: number;
  readonly #timers = new Set<Timer>();
  readonly sleep: Clock["sleep"] = sleepWith((ms, callback) => this.after(ms, callback));

  constructor(now = 1_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + ms, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Sets the clock, as people and time servers do: timers go on to wait as long as before. */
  jump(ms: number): void {
    this.#now += ms;
    for (const timer of this.#timers) timer.at += ms;
  }

  /** How many timers wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Moves on by `ms`, calling back on the way; what the callbacks set off has run when it resolves. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#now = Math.max(this.#now, next.at);
      this.#timers.delete(next);
      next.callback();
      await settled();
    }
    this.#now = end;
  }
}

/**
 * Resolves when everything that can go on in one turn, without time or the outside world, has done so. A rule with much
 * to do takes more turns, the more the slower the machine is: wait with `eventually` for what comes of that.
 */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
