/**
 * The machine's clock.
 * @module
 */
import type { Clock } from "../connector/context.ts";

/** Timers of the platform take at most this many milliseconds (2^31 - 1); longer waits are made of several. */
const timerMsMax = 2_147_483_647;

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const abort = () => {
        cancel();
        reject(signal!.reason);
      };
      const cancel = this.after(ms, () => {
        signal?.removeEventListener("abort", abort);
        resolve();
      });
      signal?.addEventListener("abort", abort, { once: true });
    });
  },
  after(ms, callback) {
    let timer: ReturnType<typeof setTimeout>;
    const arm = (left: number) => {
      timer = left > timerMsMax
        ? setTimeout(() => arm(left - timerMsMax), timerMsMax)
        : setTimeout(callback, Math.max(0, left));
    };
    arm(ms);
    return () => clearTimeout(timer);
  },
};
