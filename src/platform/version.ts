/**
 * Which weir this is. `deno task build` stamps version and commit into the binary by replacing the two names below;
 * from source both say so.
 * @module
 */

// Replaced at build time (`--define`). `typeof` of a name that does not exist is "undefined", not an error.
declare const WEIR_VERSION: string;
declare const WEIR_COMMIT: string;

/** Semantic version as in `deno.json`; `0.0.0-source` when run from source. */
export const version: string = typeof WEIR_VERSION === "string" ? WEIR_VERSION : "0.0.0-source";

/** Short hash of the commit built, with `+changes` when the tree was not clean; empty from source. */
export const commit: string = typeof WEIR_COMMIT === "string" ? WEIR_COMMIT : "";
