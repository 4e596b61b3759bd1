/**
 * One life of an agent: from its start until it is killed, which may be at any touch of the world outside, so before or
 * behind any await that matters. A dead one changes nothing any more: its clock never calls back, what it asks never
 * answers.
 * @module
 */
import type { Clock } from "../../src/connector/context.ts";
import { sleepWith } from "../../src/connector/sleep.ts";
import type { Scheduler } from "./scheduler.ts";

/** Thrown where a dead life wants an answer at once. */
export class Killed extends Error {
  constructor() {
    super("The agent is dead");
    this.name = "Killed";
  }
}

export interface LifeOptions {
  readonly scheduler: Scheduler;
  /** It is killed at the touch of this number; undefined for never. */
  readonly touches: number | undefined;
  /** Timers call back up to so many milliseconds late. */
  readonly lateMsMax: number;
  readonly onKilled: () => void;
}

export class Life {
  readonly clock: Clock;
  readonly #options: LifeOptions;
  #touches = 0;
  #isDead = false;

  constructor(options: LifeOptions) {
    this.#options = options;
    const { scheduler, lateMsMax } = options;
    const after = (ms: number, callback: () => void) => {
      const late = lateMsMax === 0 ? 0 : scheduler.random.below(lateMsMax + 1);
      return this.after(ms + late, "timer", callback);
    };
    this.clock = { now: () => scheduler.now, after, sleep: sleepWith(after) };
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Calls back, unless the life has ended by then. */
  after(ms: number, label: string, run: () => void): () => void {
    return this.#isDead ? () => {} : this.#options.scheduler.after(ms, label, run, this);
  }

  /** To be called wherever the agent touches the world. True when it lives. */
  touch(what: string): boolean {
    if (!this.#isDead && ++this.#touches === this.#options.touches) this.kill(what);
    return !this.#isDead;
  }

  kill(what: string): void {
    if (this.#isDead) return;
    this.#options.scheduler.tell(`KILLED at ${what}`);
    this.#isDead = true;
    this.#options.scheduler.drop(this);
    this.#options.onKilled();
  }

  /** No more kills from now on. */
  spare(): void {
    this.#touches = Infinity;
  }
}
