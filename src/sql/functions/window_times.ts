/**
 * The times of a row and of the window it came out of, in Unix milliseconds.
 * @module
 */
import type { Value } from "../../value/value.ts";
import { defineRowFunction } from "./declare.ts";

/** Times are ints; an event time read from a float column may have a fraction, which is dropped. */
function milliseconds(time: number | undefined): Value {
  return time === undefined ? null : BigInt(Math.trunc(time));
}

export const eventTime = defineRowFunction({
  name: "event_time",
  category: "other",
  returns: "int",
  params: [],
  doc: "The row's time in Unix milliseconds; in a window result the trigger time of the window.",
  examples: [{ sql: "event_time(1)", fails: "E203" }],
  compile: () => (row) => milliseconds(row.window === undefined ? row.time : row.window.trigger),
});

export const windowStart = defineRowFunction({
  name: "window_start",
  category: "other",
  returns: "int",
  params: [],
  doc: "The start of the window in Unix milliseconds; null outside windows.",
  examples: [{ sql: "window_start()", gives: null }, { sql: "window_start(1)", fails: "E203" }],
  compile: () => (row) => milliseconds(row.window?.start),
});

export const windowEnd = defineRowFunction({
  name: "window_end",
  category: "other",
  returns: "int",
  params: [],
  doc: "The end of the window in Unix milliseconds; null outside windows.",
  examples: [{ sql: "window_end()", gives: null }, { sql: "window_end(1)", fails: "E203" }],
  compile: () => (row) => milliseconds(row.window?.end),
});

export const windowTrigger = defineRowFunction({
  name: "window_trigger",
  category: "other",
  returns: "int",
  params: [],
  doc: "When the window was triggered, in Unix milliseconds; null outside windows.",
  examples: [{ sql: "window_trigger()", gives: null }, { sql: "window_trigger(1)", fails: "E203" }],
  // A join with tables alone gives lists that are no windows.
  compile: () => (row) => milliseconds(row.window?.end === undefined ? undefined : row.window.trigger),
});
