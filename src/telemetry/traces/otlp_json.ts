/**
 * Spans as the JSON of OTLP: an `ExportTraceServiceRequest`. Ids are hexadecimal, times are texts with nanoseconds.
 * @module
 */
import type { Attributes, AttributeValue, Span, SpanKind } from "./span.ts";

/** Who exports, and what of it. */
export interface Resource {
  /** `service.name` is among them. */
  readonly attributes: Attributes;
  readonly version: string;
  /** Rows may leave the agent. */
  readonly exportsData: boolean;
}

/** The numbers of the protocol. */
export const kindNumbers: Readonly<Record<SpanKind, number>> = {
  internal: 1,
  server: 2,
  client: 3,
  producer: 4,
  consumer: 5,
};
/** Status codes. */
export const statusError = 2;

/** What of a span leaves the agent as attributes. */
export function exportedAttributes({ attributes, rule, data }: Span, exportsData: boolean): Attributes {
  return { "weir.rule.id": rule, ...attributes, ...(exportsData && data !== undefined ? { "weir.data": data } : {}) };
}

export function otlpJson(spans: readonly Span[], { attributes, version, exportsData }: Resource): string {
  return JSON.stringify({
    resourceSpans: [{
      resource: { attributes: keyValues(attributes) },
      scopeSpans: [{
        scope: { name: "weir", version },
        spans: spans.map((span) => spanJson(span, exportsData)),
      }],
    }],
  });
}

function spanJson(span: Span, exportsData: boolean) {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentId === undefined ? {} : { parentSpanId: span.parentId }),
    flags: 1,
    name: span.name,
    kind: kindNumbers[span.kind],
    startTimeUnixNano: nanos(span.startUs),
    endTimeUnixNano: nanos(span.endUs),
    attributes: keyValues(exportedAttributes(span, exportsData)),
    ...(span.events === undefined ? {} : {
      events: span.events.map(({ name, timeUs, attributes }) => ({
        timeUnixNano: nanos(timeUs),
        name,
        attributes: keyValues(attributes),
      })),
    }),
    ...(span.links === undefined ? {} : {
      links: span.links.map(({ traceId, spanId, sampled }) => ({ traceId, spanId, flags: sampled ? 1 : 0 })),
    }),
    status: span.error === undefined ? {} : { code: statusError, message: span.error },
  };
}

function nanos(us: number): string {
  return `${us}000`;
}

function keyValues(attributes: Attributes) {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }));
}

function anyValue(value: AttributeValue) {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}
