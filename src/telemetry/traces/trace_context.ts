/**
 * W3C Trace Context: `traceparent`, and the ids that it is made of.
 * @module
 */
import type { SpanContext } from "./span.ts";

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * Undefined for a text that is none, as the recommendation has it: it is then as if there were none.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const context = parseTraceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
 * assert.equal(context?.sampled, true);
 * ```
 */
export function parseTraceparent(text: string): SpanContext | undefined {
  const match = form.exec(text.trim());
  if (match === null) return undefined;
  const [, version, traceId, spanId, flags, more] = match;
  if (version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId!) || /^0+$/.test(spanId!)) return undefined;
  return { traceId: traceId!, spanId: spanId!, sampled: (parseInt(flags!, 16) & 1) === 1 };
}

export function formatTraceparent({ traceId, spanId, sampled }: SpanContext): string {
  return `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;
}

export function newTraceId(): string {
  return randomHex(16);
}

export function newSpanId(): string {
  return randomHex(8);
}

function randomHex(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  // All zeros are no id.
  if (random.every((byte) => byte === 0)) random[0] = 1;
  return random.toHex();
}
