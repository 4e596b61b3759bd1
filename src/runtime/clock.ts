/**
 * The machine's clock.
 * @module
 */
import type { Clock } from "../connector/context.ts";
import { sleepWith } from "../connector/sleep.ts";

/** Timers of the platform take at most this many milliseconds (2^31 - 1); longer waits are made of several. */
const timerMsMax = 2_147_483_647;

function after(ms: number, callback: () => void): () => void {
  let timer: ReturnType<typeof setTimeout>;
  const arm = (left: number) => {
    timer = left > timerMsMax
      ? setTimeout(() => arm(left - timerMsMax), timerMsMax)
      : setTimeout(callback, Math.max(0, left));
  };
  arm(ms);
  return () => clearTimeout(timer);
}

export const systemClock: Clock = { now: () => Date.now(), after, sleep: sleepWith(after) };
