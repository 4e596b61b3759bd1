/**
 * Spans as the protobuf of OTLP: the same `ExportTraceServiceRequest`, with the field numbers of
 * `opentelemetry/proto/trace/v1/trace.proto`.
 * @module
 */
import { exportedAttributes, kindNumbers, type Resource, statusError } from "./otlp_json.ts";
import type { Attributes, AttributeValue, Span } from "./span.ts";

const utf8 = new TextEncoder();
const [wireVarint, wire64, wireBytes, wire32] = [0, 1, 2, 5];

/** A message that is being written. */
class Message {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  #add(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    return this;
  }

  #tag(field: number, wire: number): this {
    return this.#add(varint(BigInt(field << 3 | wire)));
  }

  bytes(field: number, value: Uint8Array): this {
    return this.#tag(field, wireBytes!).#add(varint(BigInt(value.length))).#add(value);
  }

  text(field: number, value: string): this {
    return this.bytes(field, utf8.encode(value));
  }

  hex(field: number, value: string): this {
    return this.bytes(field, Uint8Array.fromHex(value));
  }

  message(field: number, value: Message): this {
    return this.bytes(field, value.finish());
  }

  varint(field: number, value: bigint): this {
    return this.#tag(field, wireVarint!).#add(varint(BigInt.asUintN(64, value)));
  }

  fixed64(field: number, write: (view: DataView) => void): this {
    const bytes = new Uint8Array(8);
    write(new DataView(bytes.buffer));
    return this.#tag(field, wire64!).#add(bytes);
  }

  nanos(field: number, us: number): this {
    return this.fixed64(field, (view) => view.setBigUint64(0, BigInt(us) * 1000n, true));
  }

  fixed32(field: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    return this.#tag(field, wire32!).#add(bytes);
  }

  attributes(field: number, attributes: Attributes): this {
    for (const [key, value] of Object.entries(attributes)) {
      this.message(field, new Message().text(1, key).message(2, anyValue(value)));
    }
    return this;
  }

  finish(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  for (; value > 0x7fn; value >>= 7n) bytes.push(Number(value & 0x7fn) | 0x80);
  bytes.push(Number(value));
  return Uint8Array.from(bytes);
}

function anyValue(value: AttributeValue): Message {
  if (typeof value === "string") return new Message().text(1, value);
  if (typeof value === "boolean") return new Message().varint(2, value ? 1n : 0n);
  if (Number.isSafeInteger(value)) return new Message().varint(3, BigInt(value));
  return new Message().fixed64(4, (view) => view.setFloat64(0, value, true));
}

export function otlpProtobuf(spans: readonly Span[], resource: Resource): Uint8Array<ArrayBuffer> {
  const scopeSpans = new Message().message(1, new Message().text(1, "weir").text(2, resource.version));
  for (const span of spans) scopeSpans.message(2, spanMessage(span, resource.exportsData));
  const resourceSpans = new Message()
    .message(1, new Message().attributes(1, resource.attributes))
    .message(2, scopeSpans);
  return new Message().message(1, resourceSpans).finish();
}

function spanMessage(span: Span, exportsData: boolean): Message {
  const message = new Message().hex(1, span.traceId).hex(2, span.spanId);
  if (span.parentId !== undefined) message.hex(4, span.parentId);
  message
    .text(5, span.name)
    .varint(6, BigInt(kindNumbers[span.kind]))
    .nanos(7, span.startUs)
    .nanos(8, span.endUs)
    .attributes(9, exportedAttributes(span, exportsData));
  for (const { name, timeUs, attributes } of span.events ?? []) {
    message.message(11, new Message().nanos(1, timeUs).text(2, name).attributes(3, attributes));
  }
  for (const { traceId, spanId, sampled } of span.links ?? []) {
    message.message(13, new Message().hex(1, traceId).hex(2, spanId).fixed32(6, sampled ? 1 : 0));
  }
  if (span.error !== undefined) {
    message.message(15, new Message().text(2, span.error).varint(3, BigInt(statusError)));
  }
  return message.fixed32(16, 1);
}
