/**
 * The limits of a rule where neither it nor the configuration of the agent says anything.
 * @module
 */

/**
 * Bytes. A gateway of 512 MB carries a rule that comes to it, and the agent beside it; a window that comes to it, half a
 * million rows or so, is far more often a mistake than a wish.
 */
export const defaultStateBytesMax = 128 * 1024 * 1024;

/** Milliseconds. Nothing that a rule does in earnest takes as long, even on a small machine that is busy. */
export const defaultBatchTimeMax = 10_000;
