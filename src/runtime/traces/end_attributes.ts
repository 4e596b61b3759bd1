/**
 * How sources and sinks show in traces: names and attributes of OpenTelemetry's semantic conventions, as far as settings
 * and metadata tell them. Passwords, and queries that may hold one, stay out.
 * @module
 */
import type { Attributes, SpanKind } from "../../telemetry/traces/span.ts";
import { isStruct, type Struct } from "../../value/value.ts";

/** Connectors whose peer is a broker: their names in `messaging.system`. */
const messagingSystems: Readonly<Record<string, string>> = {
  mqtt: "mqtt",
  sparkplug: "mqtt",
  kafka: "kafka",
  redis: "redis",
  redissub: "redis",
  redispub: "redis",
  memory: "weir_memory",
};

const httpClients: ReadonlySet<string> = new Set(["rest", "httppull"]);
const httpServers: ReadonlySet<string> = new Set(["httppush"]);

export interface EndShape {
  readonly kind: SpanKind;
  readonly attributes: Attributes;
}

/** @param datasource the topic or path of the stream */
export function sourceShape(type: string, datasource: string): EndShape {
  const system = messagingSystems[type];
  if (system !== undefined) {
    const attributes = {
      "messaging.system": system,
      "messaging.operation.name": "process",
      "messaging.operation.type": "process",
      "messaging.destination.name": datasource,
    };
    return { kind: "consumer", attributes };
  }
  if (httpServers.has(type)) return { kind: "server", attributes: { "http.route": datasource } };
  if (httpClients.has(type)) return { kind: "client", attributes: { "http.request.method": "GET" } };
  return { kind: "internal", attributes: {} };
}

/** What the metadata of a message tell beyond that. */
export function messageAttributes(type: string, meta: Struct | undefined): Attributes {
  if (meta === undefined || messagingSystems[type] === undefined) return {};
  const { topic, partition, offset } = meta;
  return {
    ...(typeof topic === "string" ? { "messaging.destination.name": topic } : {}),
    ...(type === "mqtt" && meta.qos !== undefined ? { "messaging.mqtt.qos": Number(meta.qos) } : {}),
    ...(partition === undefined ? {} : { "messaging.destination.partition.id": String(partition) }),
    ...(offset === undefined ? {} : { "messaging.kafka.offset": Number(offset) }),
  };
}

/** @param settings as the action was given them: templates are not filled in */
export function sinkShape(type: string, settings: Readonly<Record<string, unknown>>): EndShape {
  const system = messagingSystems[type];
  if (system !== undefined) {
    const topic = settings.topic ?? settings.channel;
    const attributes = {
      "messaging.system": system,
      "messaging.operation.name": "send",
      "messaging.operation.type": "send",
      ...(typeof topic === "string" ? { "messaging.destination.name": topic } : {}),
    };
    return { kind: "producer", attributes };
  }
  if (httpClients.has(type)) {
    const method = typeof settings.method === "string" ? settings.method.toUpperCase() : "POST";
    return { kind: "client", attributes: { "http.request.method": method, ...urlAttributes(settings.url) } };
  }
  return { kind: type === "log" || type === "nop" || type === "file" ? "internal" : "client", attributes: {} };
}

function urlAttributes(text: unknown): Attributes {
  const url = typeof text === "string" ? URL.parse(text) : null;
  if (url === null) return {};
  const attributes = { "url.full": `${url.origin}${url.pathname}`, "server.address": url.hostname };
  return url.port === "" ? attributes : { ...attributes, "server.port": Number(url.port) };
}

/** The trace context that a message brought: as a user property of MQTT, a header of Kafka, or by itself. */
export function traceparentOf(meta: Struct | undefined): string | undefined {
  if (meta === undefined) return undefined;
  for (const place of [meta, meta.properties, meta.headers]) {
    const text = isStruct(place) ? place.traceparent : undefined;
    if (typeof text === "string") return text;
  }
  return undefined;
}
