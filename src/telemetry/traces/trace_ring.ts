/**
 * The newest traces, in memory, for people to look at.
 *
 * Invariant: traces and their bytes are bounded; the oldest leave, whole. A trace holds so many spans, and no more.
 * @module
 */
import type { Attributes, Span, SpanContext } from "./span.ts";

export interface RingLimits {
  readonly tracesMax: number;
  readonly bytesMax: number;
}

/** A span and those below it, with the names of eKuiper. */
export interface TraceNode {
  readonly name: string;
  readonly traceID: string;
  readonly spanID: string;
  readonly parentSpanID: string;
  readonly attribute: Attributes;
  readonly links: readonly { readonly traceID: string; readonly spanID: string }[];
  /** RFC 3339, as the end. */
  readonly startTime: string;
  readonly endTime: string;
  readonly ruleID: string;
  readonly ChildSpan: TraceNode[];
}

interface Kept {
  readonly spans: Span[];
  readonly rules: Set<string>;
  bytes: number;
}

const spansOfTraceMax = 512;
/** What a span takes besides its texts, about. */
const spanBytes = 400;

export class TraceRing {
  readonly #limits: RingLimits;
  /** Oldest first. */
  readonly #traces = new Map<string, Kept>();
  #bytes = 0;
  /** Spans of traces that were too long. */
  dropped = 0;

  constructor(limits: RingLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#traces.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(span: Span): void {
    let kept = this.#traces.get(span.traceId);
    if (kept === undefined) this.#traces.set(span.traceId, kept = { spans: [], rules: new Set(), bytes: 0 });
    if (kept.spans.length >= spansOfTraceMax) {
      this.dropped++;
      return;
    }
    kept.spans.push(span);
    kept.rules.add(span.rule);
    const bytes = bytesOf(span);
    kept.bytes += bytes;
    this.#bytes += bytes;
    this.#evict();
  }

  #evict(): void {
    const { tracesMax, bytesMax } = this.#limits;
    for (const [id, { bytes }] of this.#traces) {
      if (this.#traces.size <= tracesMax && this.#bytes <= bytesMax) return;
      this.#traces.delete(id);
      this.#bytes -= bytes;
    }
  }

  /** The ids of the traces that a rule has a part in, newest first. */
  ofRule(rule: string, limit: number): string[] {
    const ids = [...this.#traces].filter(([, { rules }]) => rules.has(rule)).map(([id]) => id).reverse();
    return limit > 0 ? ids.slice(0, limit) : ids;
  }

  /**
   * A trace as a tree. Where several spans have no parent here, as when two rules read one message, the others stand
   * below the first.
   */
  tree(traceId: string): TraceNode | undefined {
    const kept = this.#traces.get(traceId);
    if (kept === undefined) return undefined;
    const nodes = new Map(kept.spans.map((span) => [span.spanId, nodeOf(span)]));
    const roots: TraceNode[] = [];
    const spans = kept.spans.toSorted((a, b) => a.startUs - b.startUs);
    for (const { spanId, parentId } of spans) {
      const parent = parentId === undefined ? undefined : nodes.get(parentId);
      (parent?.ChildSpan ?? roots).push(nodes.get(spanId)!);
    }
    const [first, ...others] = roots;
    first?.ChildSpan.push(...others);
    return first;
  }
}

function bytesOf({ name, attributes, data, links, events, error }: Span): number {
  let characters = name.length + (data?.length ?? 0) + (error?.length ?? 0);
  for (const [key, value] of Object.entries(attributes)) characters += key.length + String(value).length;
  return spanBytes + 2 * characters + 150 * ((links?.length ?? 0) + (events?.length ?? 0));
}

function nodeOf({ name, traceId, spanId, parentId, attributes, data, links, startUs, endUs, rule, error }: Span) {
  return {
    name,
    traceID: traceId,
    spanID: spanId,
    parentSpanID: parentId ?? "",
    attribute: {
      rule,
      ...attributes,
      ...(data === undefined ? {} : { data }),
      ...(error === undefined ? {} : { error }),
    },
    links: (links ?? []).map((link: SpanContext) => ({ traceID: link.traceId, spanID: link.spanId })),
    startTime: timeText(startUs),
    endTime: timeText(endUs),
    ruleID: rule,
    ChildSpan: [],
  } satisfies TraceNode;
}

/** RFC 3339 with microseconds. */
function timeText(us: number): string {
  return new Date(Math.floor(us / 1000)).toISOString().replace("Z", `${String(us % 1000).padStart(3, "0")}Z`);
}
