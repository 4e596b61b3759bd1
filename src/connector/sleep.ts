/**
 * Waiting, made of a clock's timers.
 * @module
 */
import type { Clock } from "./context.ts";

/** The `sleep` of a clock whose timers are started by `after`. It leaves neither a timer nor a listener behind. */
export function sleepWith(after: Clock["after"]): Clock["sleep"] {
  return (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const abort = () => {
        cancel();
        reject(signal!.reason);
      };
      const cancel = after(ms, () => {
        signal?.removeEventListener("abort", abort);
        resolve();
      });
      signal?.addEventListener("abort", abort, { once: true });
    });
}
