/**
 * The real clock.
 * @module
 */
import type { Timing } from "./connection.ts";

export const systemTiming: Timing = {
  now: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
