/**
 * Looks now and then whether messages have waited for too long, also while their sink is away and nothing new comes.
 * @module
 */
import type { Clock } from "../../connector/context.ts";
import { StoreError } from "../../store/store_error.ts";

export interface ExpiryOptions {
  /** Milliseconds that a message may wait. */
  readonly ageMaxMs: number;
  /** When the oldest that waits was made, Unix milliseconds. May throw StoreError. */
  readonly oldestMs: () => number | undefined;
  /** Drops what is too old. */
  readonly expire: () => void;
  readonly clock: Clock;
}

/** Between two looks, at least. */
const lookMsMin = 1000;

export class Expiry {
  readonly #options: ExpiryOptions;
  #cancel: (() => void) | undefined;

  constructor(options: ExpiryOptions) {
    this.#options = options;
    this.#arm();
  }

  stop(): void {
    this.#cancel?.();
  }

  #arm(): void {
    const { ageMaxMs, clock, expire } = this.#options;
    this.#cancel = clock.after(Math.max(lookMsMin, ageMaxMs / 10), () => {
      this.#arm();
      if (this.#isDue()) expire();
    });
  }

  #isDue(): boolean {
    const { ageMaxMs, oldestMs, clock } = this.#options;
    try {
      return (oldestMs() ?? Infinity) < clock.now() - ageMaxMs;
    } catch (error) {
      // Whoever reads the messages says so; they can be too old the next time.
      if (!(error instanceof StoreError)) throw error;
      return false;
    }
  }
}
