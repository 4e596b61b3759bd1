/**
 * Which messages are traced.
 * @module
 */
import type { SpanContext } from "./span.ts";

/** `always` also those whose sender does not sample; `parent` asks the sender, if there is one; `ratio` else takes a part. */
export const samplers = ["always", "parent", "ratio"] as const;
/** What a request for traces says: `head` only takes what the sender samples. */
export const strategies = ["always", "head"] as const;
export type Strategy = typeof strategies[number];

export interface Sampling {
  readonly sampler: typeof samplers[number];
  /** Of the messages without a sender who says it, from 0 to 1; for `ratio`. */
  readonly ratio: number;
}

const span52 = 2 ** 52;

/**
 * @param parent what the message brought
 * @param traceId of the trace that it belongs to, whose last digits decide: every agent decides alike
 */
export function isSampled(
  strategy: Strategy,
  { sampler, ratio }: Sampling,
  parent: SpanContext | undefined,
  traceId: string,
): boolean {
  if (strategy === "head") return parent?.sampled === true;
  if (sampler === "always") return true;
  if (parent !== undefined) return parent.sampled;
  return sampler === "parent" || parseInt(traceId.slice(-13), 16) < ratio * span52;
}
