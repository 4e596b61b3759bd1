/**
 * A message that brings settings of its sink, filled in from its data: the topic of this one message.
 * @module
 */
import type { MessageSettings, Payload } from "../connector/sink.ts";
import type { Struct } from "../value/value.ts";

/** What a sink writes: encoded, or, for sinks that take rows, the rows of one result. */
export type Body = Payload | readonly Struct[];

export class AddressedItem {
  readonly body: Body;
  readonly settings: MessageSettings;

  constructor(body: Body, settings: MessageSettings) {
    this.body = body;
    this.settings = settings;
  }
}

/** What the sink writes of a message. */
export function bodyOf(item: Body | AddressedItem): Body {
  return item instanceof AddressedItem ? item.body : item;
}

/** The trace that a message belongs to, from when it is made until the sink is done with it. */
export interface ItemTrace {
  /** Names the span of the sending: what goes along with the message. */
  readonly traceparent: string;
  /** The sink is given it, for the first time or again. */
  begin(): void;
  /** It could not be written now. */
  retry(reason: string): void;
  /** @param error why it was refused for good; absent when it was written */
  end(error?: string): void;
}

/** A message that is traced. */
export class TracedItem extends AddressedItem {
  readonly trace: ItemTrace;

  constructor(item: Body | AddressedItem, trace: ItemTrace) {
    super(bodyOf(item), settingsOf(item));
    this.trace = trace;
  }
}

const none: MessageSettings = {};

/** The settings that a message brings; none are an empty object. */
export function settingsOf(item: Body | AddressedItem): MessageSettings {
  return item instanceof AddressedItem ? item.settings : none;
}

/** The message with another body. */
export function withBody(item: Body | AddressedItem, body: Body): Body | AddressedItem {
  if (!(item instanceof AddressedItem)) return body;
  const other = hasSettings(item) ? new AddressedItem(body, item.settings) : body;
  return item instanceof TracedItem ? new TracedItem(other, item.trace) : other;
}

/** False for a message that is traced only. */
export function hasSettings(item: Body | AddressedItem): boolean {
  return item instanceof AddressedItem && (!(item instanceof TracedItem) || item.settings !== none);
}

/** One message of several: what becomes of it becomes of all of them, and it goes on the trace of the first traced one. */
export function mergedItem(items: readonly (Body | AddressedItem)[], body: Body): Body | AddressedItem {
  const merged = withBody(items[0]!, body);
  const traces = items.flatMap((item) => item instanceof TracedItem ? [item.trace] : []);
  if (traces.length === 0) return merged;
  return new TracedItem(merged, {
    traceparent: traces[0]!.traceparent,
    begin: () => traces.forEach((trace) => trace.begin()),
    retry: (reason) => traces.forEach((trace) => trace.retry(reason)),
    end: (error) => traces.forEach((trace) => trace.end(error)),
  });
}
