/**
 * Where a source stands that asks a server: what its next request is made of.
 * @module
 */

export interface PullPosition {
  readonly states: Readonly<Record<string, unknown>>;
  /** When the last good request was sent, Unix milliseconds; 0 before the first. */
  readonly pulledAt: number;
  /** MD5 of the last answer, of a source that leaves out repeats. */
  readonly hash: string;
}

export function printPosition({ states, pulledAt, hash }: PullPosition): string {
  return JSON.stringify({ states, pulledAt, ...(hash === "" ? {} : { hash }) });
}

/** An object without `pulledAt` is one of states, as people give it. Undefined for what is no position. */
export function parsePosition(text: string): PullPosition | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(parsed)) return undefined;
  const { states, pulledAt, hash = "" } = parsed;
  if (typeof pulledAt !== "number") return { states: parsed, pulledAt: 0, hash: "" };
  if (!isObject(states) || !Number.isSafeInteger(pulledAt) || typeof hash !== "string") return undefined;
  return { states, pulledAt, hash };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
