/**
 * Everything that happens in a simulation, one event after the other: of those that are due, the seed picks the next.
 *
 * Nothing here knows real time. After each event everything that can go on without another one has run, so that a seed
 * repeats a run to the last step.
 * @module
 */
import { setImmediate } from "node:timers";
import type { SeededRandom } from "../../src/value/seeded_random.ts";

interface SimEvent {
  /** Not before this moment, Unix milliseconds of the simulation. */
  readonly at: number;
  readonly label: string;
  readonly run: () => void;
  /** Whose it is; undefined for the world around the agent. */
  readonly owner: object | undefined;
}

/** More than a simulation that comes to rest ever needs. */
const eventsMax = 60_000;
const tracedMax = 4000;

export class Scheduler {
  now: number;
  /** What has happened, oldest first. */
  readonly trace: string[] = [];
  readonly random: SeededRandom;
  readonly #start: number;
  #events: SimEvent[] = [];
  #ran = 0;

  constructor(random: SeededRandom, start: number) {
    this.random = random;
    this.#start = start;
    this.now = start;
  }

  /** Calls `run` in so many milliseconds, or somewhat later; the returned function takes it back. */
  after(ms: number, label: string, run: () => void, owner?: object): () => void {
    const event = { at: this.now + Math.max(0, Math.ceil(ms)), label, run, owner };
    this.#events.push(event);
    return () => {
      const index = this.#events.indexOf(event);
      if (index !== -1) this.#events.splice(index, 1);
    };
  }

  /** Forgets what belongs to an owner that is dead. */
  drop(owner: object): void {
    this.#events = this.#events.filter((event) => event.owner !== owner);
  }

  /** The labels of what an owner still waits for. */
  waiting(owner: object): string[] {
    return this.#events.filter((event) => event.owner === owner).map(({ label }) => label);
  }

  tell(text: string): void {
    if (this.trace.length === tracedMax) this.trace.splice(0, tracedMax / 2, "…");
    this.trace.push(`${this.now - this.#start} ${text}`);
  }

  /** Runs what is due until `end`, or until nothing waits; `each` is called behind every event. */
  async runUntil(end: number, each: () => void = () => {}): Promise<void> {
    await settled();
    for (let next = this.#take(end); next !== undefined; next = this.#take(end)) {
      if (++this.#ran > eventsMax) throw new Error("The simulation does not come to rest");
      this.tell(next.label);
      next.run();
      await settled();
      each();
    }
    this.now = Math.max(this.now, end);
  }

  #take(end: number): SimEvent | undefined {
    let first = Infinity;
    for (const { at } of this.#events) first = Math.min(first, at);
    if (first > end) return undefined;
    this.now = Math.max(this.now, first);
    const due: number[] = [];
    for (let i = 0; i < this.#events.length; i++) if (this.#events[i]!.at <= this.now) due.push(i);
    return this.#events.splice(due[this.random.below(due.length)]!, 1)[0];
  }
}

/** Resolves when all that can go on has done so. A turn of its own comes behind all microtasks. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
