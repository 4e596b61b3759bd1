/**
 * What a trace is made of: spans, by the words of OpenTelemetry.
 * @module
 */

export type AttributeValue = string | number | boolean;
export type Attributes = Readonly<Record<string, AttributeValue>>;
export type SpanKind = "internal" | "server" | "client" | "producer" | "consumer";

/** Names a span everywhere: what `traceparent` carries. */
export interface SpanContext {
  /** 32 hexadecimal digits, lower case. */
  readonly traceId: string;
  /** 16 of them. */
  readonly spanId: string;
  readonly sampled: boolean;
}

export interface SpanEvent {
  readonly name: string;
  readonly timeUs: number;
  readonly attributes: Attributes;
}

/** One that has ended. Times are Unix microseconds, which a number holds exactly. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId?: string;
  readonly name: string;
  readonly kind: SpanKind;
  readonly rule: string;
  readonly startUs: number;
  readonly endUs: number;
  readonly attributes: Attributes;
  readonly links?: readonly SpanContext[];
  readonly events?: readonly SpanEvent[];
  /** Why it failed; absent when it did not. */
  readonly error?: string;
  /** The row, as JSON that may be cut off. It is shown here, and exported only when somebody says so. */
  readonly data?: string;
}
