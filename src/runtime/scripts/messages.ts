/**
 * What the thread of the scripts and the agent say to each other.
 * @module
 */

/** To the thread. */
export type Request =
  | { readonly kind: "open"; readonly script: number; readonly text: string }
  | { readonly kind: "close"; readonly script: number }
  /** Calls `exec` once for each, as far as its turn goes; the arguments are a JSON array, as {@linkcode encodeArguments} writes them. */
  | { readonly kind: "run"; readonly script: number; readonly calls: readonly string[] };

/** What one call gave: JSON, or why it failed. */
export type CallResult = { readonly json: string } | { readonly error: string };

/** From the thread: the results of the next calls of the run, in order. At least one. */
export interface Response {
  readonly results: readonly CallResult[];
  /** True when the turn of the run is over; calls that are left have to be sent again. */
  readonly over: boolean;
}

/** After so long the turn of a run is over, milliseconds: other scripts wait for theirs. */
export const turnMsMax = 50;

/** A call may take this long, milliseconds. */
export const callMsMax = 100;

/** So long may the beginning of a script take, and its first call: the engine of the scripts is warming up then. */
export const firstMsMax = 1000;

/** Memory of one script, the engine's own included. */
export const scriptBytesMax = 32 * 1024 * 1024;

/** Stack of one script: far below that of the thread, so that recursion ends with an error of the script's own. */
export const stackBytesMax = 128 * 1024;
