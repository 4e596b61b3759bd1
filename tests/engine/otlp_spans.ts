/**
 * What a collector has been sent, read strictly: each body is checked against the shape of OTLP.
 * @module
 */
import assert from "node:assert/strict";
import protobuf from "protobufjs";
import type { ServerRequest } from "../http_server.ts";

export interface SentSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: number;
  readonly attributes: Readonly<Record<string, unknown>>;
}

type Json = { readonly [name: string]: Json } & readonly Json[];

/** The messages of `opentelemetry/proto/trace/v1/trace.proto` and those it needs, with their numbers. */
const proto = `syntax = "proto3";
message Request { repeated ResourceSpans resourceSpans = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scopeSpans = 2; }
message Resource { repeated KeyValue attributes = 1; }
message ScopeSpans { Scope scope = 1; repeated Span spans = 2; }
message Scope { string name = 1; string version = 2; }
message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue { oneof value { string stringValue = 1; bool boolValue = 2; int64 intValue = 3; double doubleValue = 4; } }
message Span {
  bytes traceId = 1; bytes spanId = 2; string traceState = 3; bytes parentSpanId = 4; string name = 5; int32 kind = 6;
  fixed64 startTimeUnixNano = 7; fixed64 endTimeUnixNano = 8; repeated KeyValue attributes = 9;
  repeated Event events = 11; repeated Link links = 13; Status status = 15; fixed32 flags = 16;
}
message Event { fixed64 timeUnixNano = 1; string name = 2; repeated KeyValue attributes = 3; }
message Link { bytes traceId = 1; bytes spanId = 2; fixed32 flags = 6; }
message Status { string message = 2; int32 code = 3; }`;

/** Of all requests; the resource is that of the last. */
export function otlpSpans(requests: readonly ServerRequest[], protocol: "http/json" | "http/protobuf") {
  let resource: Readonly<Record<string, unknown>> = {};
  const spans: SentSpan[] = [];
  for (const { headers, body, bytes } of requests) {
    const isJson = protocol === "http/json";
    assert.equal(headers["content-type"], isJson ? "application/json" : "application/x-protobuf");
    const message = (isJson ? JSON.parse(body) : decoded(bytes)) as Json;
    for (const { resource: own, scopeSpans } of message.resourceSpans!) {
      resource = attributesOf(own!.attributes!);
      for (const { scope, spans: all } of scopeSpans!) {
        assert.equal(scope!.name, "weir");
        for (const span of all!) spans.push(checked(span));
      }
    }
  }
  return { resource, spans };
}

function decoded(bytes: Uint8Array): unknown {
  const type = protobuf.parse(proto, { keepCase: true }).root.lookupType("Request");
  const plain = type.toObject(type.decode(bytes), { longs: String, bytes: Array, arrays: true });
  return JSON.parse(JSON.stringify(plain), (key, value) => {
    if (!/^(traceId|spanId|parentSpanId)$/.test(key) || !Array.isArray(value)) return value;
    return Uint8Array.from(value as number[]).toHex();
  });
}

function checked(span: Json): SentSpan {
  const { traceId, spanId, parentSpanId, name, kind, startTimeUnixNano, endTimeUnixNano } = span as unknown as Record<
    string,
    string | undefined
  >;
  assert.match(traceId!, /^[0-9a-f]{32}$/);
  assert.match(spanId!, /^[0-9a-f]{16}$/);
  if (parentSpanId) assert.match(parentSpanId, /^[0-9a-f]{16}$/);
  assert.match(startTimeUnixNano!, /^\d{19}$/);
  assert.match(endTimeUnixNano!, /^\d{19}$/);
  assert.ok(BigInt(startTimeUnixNano!) <= BigInt(endTimeUnixNano!));
  assert.ok(Math.abs(Number(BigInt(startTimeUnixNano!) / 1_000_000n) - Date.now()) < 600_000);
  assert.ok([1, 2, 3, 4, 5].includes(Number(kind)), String(kind));
  assert.ok(name);
  return {
    traceId: traceId!,
    spanId: spanId!,
    parentSpanId: parentSpanId ?? "",
    name,
    kind: Number(kind),
    attributes: attributesOf(span.attributes!),
  };
}

function attributesOf(list: Json): Record<string, unknown> {
  return Object.fromEntries([...list].map(({ key, value }) => {
    const entries: readonly (readonly [string, unknown])[] = Object.entries(value!);
    assert.equal(entries.length, 1);
    const [kind, own] = entries[0]!;
    assert.match(kind, /^(string|bool|int|double)Value$/);
    if (kind === "intValue") assert.equal(typeof own, "string");
    return [key as unknown as string, own];
  }));
}
