/**
 * Processor time of this thread, for tests that hold how long something may take: other processes do not count.
 * @module
 */
import { readFileSync } from "node:fs";

/** Milliseconds that this thread has run so far; the time of day where the system does not tell. */
export function threadMs(): number {
  try {
    return Number(readFileSync("/proc/thread-self/schedstat", "latin1").split(" ", 1)[0]) / 1e6;
  } catch {
    return performance.now();
  }
}
