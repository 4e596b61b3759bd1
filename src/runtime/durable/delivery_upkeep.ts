/**
 * Clears and gives back the space of what rules have delivered, a slice at a time, so that nothing else is held up.
 *
 * Invariant: while no rule promises delivery there is no timer, and the store is not asked for anything.
 * @module
 */
import type { Clock, Logger } from "../../connector/context.ts";
import type { DeliveryStore } from "../../store/delivery_store.ts";

/** Between two slices. */
const sliceGapMs = 1000;
/** Between two looks when there was nothing to do. */
const lookMs = 60_000;

export class DeliveryUpkeep {
  readonly #delivery: DeliveryStore;
  readonly #clock: Clock;
  readonly #log: Logger;
  #cancel: (() => void) | undefined;
  #stopped = false;
  /** What the log was told last, until it goes well again. */
  #toldFailure: string | undefined;

  constructor(delivery: DeliveryStore, clock: Clock, log: Logger) {
    this.#delivery = delivery;
    this.#clock = clock;
    this.#log = log;
  }

  /** Begins when the store is in use, and goes on until {@linkcode stop}. */
  start(): void {
    void this.#delivery.whenInUse().then(() => this.#schedule(sliceGapMs));
  }

  /** To be called before the store closes. */
  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    this.#cancel = this.#clock.after(delayMs, () => this.#schedule(this.#slice() ? sliceGapMs : lookMs));
  }

  /** True when there is more to do. */
  #slice(): boolean {
    try {
      const hasMore = this.#delivery.maintain();
      this.#toldFailure = undefined;
      return hasMore;
    } catch (error) {
      const reason = (error as Error).message;
      if (reason !== this.#toldFailure) this.#log.warn("Cannot clear space in the store", { reason });
      this.#toldFailure = reason;
      return false;
    }
  }
}
